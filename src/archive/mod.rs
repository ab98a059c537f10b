//! pg_dump's custom format and gzip members: pure streaming codecs.
