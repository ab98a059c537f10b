# A small module system: options with types and defaults, mkIf, mkMerge, mkDefault, imports. An option that nobody declared, a
# value of the wrong type, two values where one is meant, and an option without any value are errors that name it.
let
  inherit (builtins)
    all
    attrNames
    concatMap
    concatStringsSep
    elem
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isInt
    isList
    isString
    length
    map
    mapAttrs
    substring
    typeOf
    ;

  mark = kind: content: { _type = kind; } // content;
  is = kind: value: isAttrs value && value._type or null == kind;
  show = concatStringsSep ".";

  # The conditions taken away: a list of { weak, value }, none where a condition does not hold.
  plain =
    value:
    if is "if" value then
      if value.condition then plain value.content else [ ]
    else if is "merge" value then
      concatMap plain value.contents
    else if is "default" value then
      map (inner: inner // { weak = true; }) (plain value.content)
    else
      [
        {
          weak = false;
          inherit value;
        }
      ];

  # Sets of options with the conditions around them moved inside: which options are named must not depend on any value.
  inside =
    value:
    if is "if" value then
      map (mapAttrs (_: inner: mark "if" (value // { content = inner; }))) (inside value.content)
    else if is "merge" value then
      concatMap inside value.contents
    else
      [ value ];

  # What is said without mkDefault wins.
  strongest =
    definitions:
    let
      strong = filter (definition: !definition.weak) definitions;
    in
    if strong == [ ] then definitions else strong;

  one =
    path: definitions:
    if length definitions == 1 || all (other: other.value == (head definitions).value) definitions then
      (head definitions).value
    else
      throw "option ${show path} is given several values";

  scalar = name: fits: {
    merge =
      path: definitions:
      let
        value = one path (strongest definitions);
      in
      if fits value then value else throw "option ${show path} is no ${name}: a ${typeOf value}";
  };

  isPathLike =
    value: typeOf value == "path" || (isString value && substring 0 1 value == "/") || value ? outPath;

  # Sets are joined name by name, lists one behind the other, anything else is one value.
  anything.merge =
    path: definitions:
    let
      values = map (definition: definition.value) (strongest definitions);
    in
    if all (value: isAttrs value && !(value ? outPath)) values then
      joined anything path definitions
    else if all isList values then
      concatMap (value: value) values
    else
      one path (strongest definitions);

  joined =
    type: path: definitions:
    let
      names = concatMap (definition: attrNames definition.value) definitions;
      of = name: concatMap (definition: if definition.value ? ${name} then own definition name else [ ]) definitions;
      own =
        definition: name:
        map (inner: inner // { weak = inner.weak || definition.weak; }) (plain definition.value.${name});
      present = filter (name: of name != [ ]) names;
    in
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = type.merge (path ++ [ name ]) (of name);
      }) present
    );

  types = rec {
    str = scalar "text" isString;
    lines.merge =
      path: definitions: concatStringsSep "\n" (map (definition: str.merge path [ definition ]) definitions);
    bool = scalar "boolean" isBool;
    int = scalar "integer" isInt;
    port = scalar "port" (value: isInt value && value > 0 && value < 65536);
    path = scalar "path" isPathLike;
    package = scalar "package" (value: value.type or null == "derivation");
    raw = scalar "value" (_: true);
    inherit anything;
    nullOr = type: {
      merge =
        path: definitions:
        if all (definition: definition.value == null) (strongest definitions) then
          null
        else
          type.merge path definitions;
    };
    listOf = type: {
      merge =
        path: definitions:
        concatMap (
          definition:
          if isList definition.value then
            map (value: type.merge path (plain value)) definition.value
          else
            throw "option ${show path} is no list: a ${typeOf definition.value}"
        ) (strongest definitions);
    };
    attrsOf = type: { merge = joined type; };
    submodule = options: {
      merge =
        path: definitions:
        tree path options (map (definition: definition.value) definitions);
    };
  };

  isOption = is "option";

  # The values of a tree of options, given what modules say of it.
  tree =
    path: options: said:
    let
      given = concatMap inside said;
      unknown = filter (name: !(options ? ${name})) (concatMap attrNames given);
      value =
        name: option:
        let
          here = path ++ [ name ];
          of = concatMap (set: if set ? ${name} then [ set.${name} ] else [ ]) given;
          definitions = concatMap plain of;
          unset = throw "option ${show here} has no value, and no default";
        in
        if !isOption option then
          tree here option of
        else if definitions != [ ] then
          option.type.merge here definitions
        else
          option.default or unset;
    in
    if unknown != [ ] then
      throw "there is no option ${show (path ++ [ (head unknown) ])}"
    else
      mapAttrs value options;

  united =
    left: right:
    left
    // mapAttrs (
      name: option:
      if left ? ${name} && !isOption option && !isOption left.${name} then united left.${name} option else option
    ) right;

  loaded =
    arguments: module:
    let
      called =
        if isFunction module then
          module arguments
        else if isAttrs module then
          module
        else
          let
            imported = import module;
          in
          if isFunction imported then imported arguments else imported;
      bare = removeAttrs called [
        "imports"
        "options"
        "config"
        "_file"
      ];
    in
    concatMap (loaded arguments) (called.imports or [ ])
    ++ [
      {
        options = called.options or { };
        said = called.config or bare;
      }
    ];
in
{
  inherit types;
  mkIf = condition: content: mark "if" { inherit condition content; };
  mkMerge = contents: mark "merge" { inherit contents; };
  mkDefault = content: mark "default" { inherit content; };
  mkOption = option: mark "option" option;
  mkEnableOption =
    what:
    mark "option" {
      type = types.bool;
      default = false;
      description = "Whether to enable ${what}.";
    };

  evalModules =
    { modules, specialArgs }:
    let
      arguments = specialArgs // {
        inherit config;
      };
      all' = concatMap (loaded arguments) modules;
      options = foldl' united { } (map (module: module.options) all');
      config = tree [ ] options (map (module: module.said) all');
    in
    {
      inherit config options;
    };
}
