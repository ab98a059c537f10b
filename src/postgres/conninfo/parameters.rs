//! Connection strings as libpq reads them, taken apart into named parameters.
//!
//! The grammar is that of PostgreSQL's documentation, "Connection Strings": URLs and `key = value` pairs, a service file, and
//! the variables that stand for what neither says. <https://www.postgresql.org/docs/current/libpq-connect.html>

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;

/// What libpq looks at besides the connection string.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Named parameters, such as `host` and `sslmode`.
pub(super) type Parameters = BTreeMap<String, String>;

/// The parameters that variables stand for.
const VARIABLES: [(&str, &str); 14] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("dbname", "PGDATABASE"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("options", "PGOPTIONS"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("service", "PGSERVICE"),
];

/// Why a connection string cannot be read. Holds nothing of the string, as any piece of it may be one of a password.
pub(super) type ConninfoError = String;

impl Surroundings<'_> {
    /// No variables, no files: only what the string says.
    pub fn none() -> Surroundings<'static> {
        Surroundings { variable: &|_| None }
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// A file in the home directory.
    pub(super) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.get("HOME").map(|home| Path::new(&home).join(name))
    }

    /// What `text` says, then its service, then the variables.
    pub(super) fn complete(&self, text: &str) -> Result<Parameters, ConninfoError> {
        let mut parameters = read(text)?;
        let variables = VARIABLES
            .iter()
            .filter_map(|(name, variable)| Some(((*name).to_owned(), self.get(variable)?)));
        let variables: Parameters = variables.collect();
        let service = parameters.get("service").or(variables.get("service")).cloned();
        if let Some(service) = service {
            add_missing(&mut parameters, self.service(&service)?);
        }
        add_missing(&mut parameters, variables);
        if let Some(password) = self.password_from_file(&parameters) {
            parameters.entry("password".to_owned()).or_insert(password);
        }
        Ok(parameters)
    }

    fn service(&self, service: &str) -> Result<Parameters, ConninfoError> {
        let own = self.get("PGSERVICEFILE").map(PathBuf::from);
        let own = own.or_else(|| self.at_home(".pg_service.conf"));
        let shared = self
            .get("PGSYSCONFDIR")
            .map(|directory| Path::new(&directory).join("pg_service.conf"));
        for file in own.into_iter().chain(shared) {
            let Ok(text) = std::fs::read_to_string(&file) else {
                continue;
            };
            if let Some(parameters) = section(&text, service) {
                return Ok(parameters);
            }
        }
        Err(format!(
            "names the service {service:?}, which no service file defines"
        ))
    }

    /// The password of the first line of `.pgpass` that fits. A file that others can read is passed over, as libpq does.
    fn password_from_file(&self, parameters: &Parameters) -> Option<String> {
        use std::os::unix::fs::PermissionsExt;
        if parameters.contains_key("password") {
            return None;
        }
        let file = parameters.get("passfile").map(PathBuf::from);
        let file = file.or_else(|| self.at_home(".pgpass"))?;
        if std::fs::metadata(&file).ok()?.permissions().mode() & 0o077 != 0 {
            return None;
        }
        let text = std::fs::read_to_string(file).ok()?;
        let value = |name: &str| parameters.get(name).map_or("", String::as_str);
        let port = parameters.get("port").map_or("5432", String::as_str);
        let database = parameters.get("dbname").map_or(value("user"), String::as_str);
        let wanted = [value("host"), port, database, value("user")];
        text.lines().find_map(|line| {
            let fields = fields_of_pgpass(line);
            let [place @ .., password] = &fields[..] else {
                return None;
            };
            let fits = place.len() == wanted.len()
                && place
                    .iter()
                    .zip(wanted)
                    .all(|(field, value)| field == "*" || field == value);
            fits.then(|| password.clone())
        })
    }
}

fn add_missing(parameters: &mut Parameters, more: Parameters) {
    for (name, value) in more {
        parameters.entry(name).or_insert(value);
    }
}

/// Whether the text is in quotes, or has lost one of them. Neither a URL nor a parameter's name begins with one.
pub(super) fn is_quoted(text: &str) -> bool {
    text.trim_start().starts_with(['"', '\''])
}

/// Reads a URL or `key = value` pairs.
pub(super) fn read(text: &str) -> Result<Parameters, ConninfoError> {
    if is_quoted(text) {
        return Err("begins with a quote".to_owned());
    }
    let text = text.trim();
    let url = text
        .strip_prefix("postgresql://")
        .or_else(|| text.strip_prefix("postgres://"));
    match url {
        Some(rest) => read_url(rest),
        None => read_pairs(text),
    }
}

/// `USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?NAME=VALUE&…`
fn read_url(text: &str) -> Result<Parameters, ConninfoError> {
    let mut parameters = Parameters::new();
    let mut put = |name: &str, value: &str| -> Result<(), ConninfoError> {
        if !value.is_empty() {
            parameters.insert(name.to_owned(), decoded(value)?);
        }
        Ok(())
    };
    let (place, query) = text.split_once('?').unwrap_or((text, ""));
    // The ? of a password that was not encoded: what follows it is no list of parameters.
    if query.contains('@') {
        return Err("has an @ behind a ?, and they must be percent-encoded: %40 and %3F".to_owned());
    }
    // A password may hold a slash that was not encoded: what decides is the last @ before the database.
    let (credentials, place) = place.rsplit_once('@').unwrap_or(("", place));
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    put("user", user)?;
    put("password", password)?;
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    put("dbname", database)?;
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = split_port(host)?;
        names.push(decoded(name)?);
        ports.push(port.to_owned());
    }
    if names.iter().any(|name| !name.is_empty()) {
        parameters.insert("host".to_owned(), names.join(","));
    }
    if ports.iter().any(|port| !port.is_empty()) {
        parameters.insert("port".to_owned(), ports.join(","));
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("has a parameter without a value")?;
        let name = match (decoded(name)?.as_str(), value) {
            ("ssl", "true") => {
                parameters.insert("sslmode".to_owned(), "require".to_owned());
                continue;
            }
            (name, _) => name.to_owned(),
        };
        parameters.insert(name, decoded(value)?);
    }
    Ok(parameters)
}

/// `host:5432`, `[::1]:5432`, and either without a port.
fn split_port(host: &str) -> Result<(&str, &str), ConninfoError> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("has an IPv6 address without its ]")?;
        return Ok((address, port.strip_prefix(':').unwrap_or(port)));
    }
    Ok(host.split_once(':').unwrap_or((host, "")))
}

fn decoded(text: &str) -> Result<String, ConninfoError> {
    let is_hex = |mark: Option<&u8>| mark.is_some_and(u8::is_ascii_hexdigit);
    let bytes = text.as_bytes();
    let is_whole = |at: usize| is_hex(bytes.get(at + 1)) && is_hex(bytes.get(at + 2));
    if memchr::memchr_iter(b'%', bytes).any(|at| !is_whole(at)) {
        return Err("has a % that does not begin a percent-encoded character".to_owned());
    }
    let text = percent_decode_str(text).decode_utf8();
    text.map(Cow::into_owned).map_err(|_| "is not UTF-8".to_owned())
}

/// `host = localhost password = 'it''s \'secret\''`
fn read_pairs(text: &str) -> Result<Parameters, ConninfoError> {
    let mut parameters = Parameters::new();
    let mut marks = text.chars().peekable();
    loop {
        while marks.next_if(|mark| mark.is_whitespace()).is_some() {}
        let mut name = String::new();
        while let Some(mark) = marks.next_if(|mark| *mark != '=' && !mark.is_whitespace()) {
            name.push(mark);
        }
        while marks.next_if(|mark| mark.is_whitespace()).is_some() {}
        if name.is_empty() && marks.peek().is_none() {
            return Ok(parameters);
        }
        let is_name = !name.is_empty() && name.bytes().all(|mark| matches!(mark, b'a'..=b'z' | b'_'));
        if !is_name || marks.next() != Some('=') {
            return Err("is neither a URL nor pairs of NAME=VALUE".to_owned());
        }
        while marks.next_if(|mark| mark.is_whitespace()).is_some() {}
        let is_quoted = marks.next_if_eq(&'\'').is_some();
        let mut value = String::new();
        loop {
            match marks.peek() {
                None if is_quoted => return Err("has a quote without its end".to_owned()),
                None => break,
                Some('\'') if is_quoted => {
                    marks.next();
                    break;
                }
                Some(mark) if !is_quoted && mark.is_whitespace() => break,
                Some('\\') => {
                    marks.next();
                    value.extend(marks.next());
                }
                Some(_) => value.extend(marks.next()),
            }
        }
        parameters.insert(name, value);
    }
}

/// The parameters of `[service]` in a service file.
fn section(text: &str, service: &str) -> Option<Parameters> {
    let mut lines = text.lines().map(str::trim);
    let head = format!("[{service}]");
    lines.find(|line| *line == head)?;
    let body = lines.take_while(|line| !line.starts_with('['));
    let pairs = body.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Some(
        pairs
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
            .collect(),
    )
}

/// `host:port:database:user:password`, where a backslash takes the meaning from what follows.
fn fields_of_pgpass(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut marks = line.chars();
    while let Some(mark) = marks.next() {
        match (mark, fields.len()) {
            ('\\', _) => fields
                .last_mut()
                .into_iter()
                .for_each(|field| field.extend(marks.next())),
            (':', 1..=4) => fields.push(String::new()),
            _ => fields.last_mut().into_iter().for_each(|field| field.push(mark)),
        }
    }
    fields
}
