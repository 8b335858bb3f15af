//! Who may come in: raters and the admin, their links and sessions.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{People, PeopleError, Writing};

/// SHA-256 of a link's or a cookie's secret. The secret has at least 128 bits from the operating system, so that a fast hash
/// is enough.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl std::fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaterRole {
    /// Judges what is handed over.
    Rater,
    /// Sees everything.
    Admin,
}

impl RaterRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rater => "rater",
            Self::Admin => "admin",
        }
    }
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Rater {
    /// Their number, from 1.
    pub number: i64,
    /// Their pseudonym.
    pub name: String,
    /// What they may do.
    pub role: RaterRole,
    /// When their link ends, in seconds since 1970.
    pub link_expires: f64,
    /// When they were shut out, if they were.
    pub revoked: Option<f64>,
}

/// Somebody to let in.
#[derive(Debug, Clone)]
pub struct NewRater<'a> {
    /// Their pseudonym.
    pub name: &'a str,
    /// What they may do.
    pub role: RaterRole,
    /// The hash of their link.
    pub link: SecretHash,
    /// When it ends, in seconds since 1970.
    pub link_expires: f64,
}

/// What became of a link or a cookie that somebody showed.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// They may come in.
    Open(Rater),
    /// It has ended, or was taken back.
    Expired,
    /// There is no such link.
    Unknown,
}

impl People {
    /// Everybody, in order of number.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when they cannot be read.
    pub fn raters(&self) -> Result<Vec<Rater>, PeopleError> {
        self.check("reading raters", |connection| {
            connection
                .prepare_cached(
                    "SELECT rater, name, role, link_expires, revoked FROM rater ORDER BY rater",
                )?
                .query_map([], rater_of)?
                .collect()
        })
    }

    /// Whose link it is.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when raters cannot be read.
    pub fn by_link(&self, link: SecretHash, at: f64) -> Result<Entry, PeopleError> {
        let found = self.check("reading raters", |connection| {
            connection
                .prepare_cached(
                    "SELECT rater, name, role, link_expires, revoked FROM rater WHERE link = ?1",
                )?
                .query_row([link.0], rater_of)
                .optional()
        })?;
        Ok(match found {
            None => Entry::Unknown,
            Some(rater) if rater.revoked.is_some() || rater.link_expires <= at => Entry::Expired,
            Some(rater) => Entry::Open(rater),
        })
    }

    /// Whose session it is.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when sessions cannot be read.
    pub fn by_session(&self, secret: SecretHash, at: f64) -> Result<Entry, PeopleError> {
        let found: Option<(Rater, f64)> = self.check("reading sessions", |connection| {
            connection
                .prepare_cached(
                    "SELECT rater, name, role, link_expires, revoked, expires
                     FROM session JOIN rater USING (rater) WHERE secret = ?1",
                )?
                .query_row([secret.0], |row| Ok((rater_of(row)?, row.get(5)?)))
                .optional()
        })?;
        Ok(match found {
            None => Entry::Unknown,
            Some((rater, expires)) if rater.revoked.is_some() || expires <= at => Entry::Expired,
            Some((rater, _)) => Entry::Open(rater),
        })
    }
}

impl Writing<'_> {
    /// Lets somebody in from now on.
    ///
    /// # Errors
    ///
    /// [`PeopleError::NameTaken`] when there is one of this name.
    pub fn add_rater(&mut self, new: &NewRater<'_>, at: f64) -> Result<i64, PeopleError> {
        let added = self.people.check("adding a rater", |connection| {
            connection
                .prepare_cached(
                    "INSERT OR IGNORE INTO rater (name, role, link, link_expires, made)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    new.name,
                    new.role.as_str(),
                    new.link.0,
                    new.link_expires,
                    at
                ])
        })?;
        if added == 0 {
            return Err(PeopleError::NameTaken {
                name: new.name.to_owned(),
            });
        }
        Ok(self.people.connection.last_insert_rowid())
    }

    /// Gives somebody a new link; the old one and all sessions end.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn set_link(
        &mut self,
        rater: i64,
        link: SecretHash,
        link_expires: f64,
    ) -> Result<(), PeopleError> {
        self.people.check("giving a new link", |connection| {
            connection.execute(
                "UPDATE rater SET link = ?2, link_expires = ?3, revoked = NULL WHERE rater = ?1",
                params![rater, link.0, link_expires],
            )?;
            connection.execute("DELETE FROM session WHERE rater = ?1", [rater])?;
            Ok(())
        })
    }

    /// Shuts somebody out; what they said stays.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn revoke(&mut self, rater: i64, at: f64) -> Result<(), PeopleError> {
        self.people.check("taking back a link", |connection| {
            connection.execute(
                "UPDATE rater SET revoked = ?2 WHERE rater = ?1 AND revoked IS NULL",
                params![rater, at],
            )?;
            connection.execute("DELETE FROM session WHERE rater = ?1", [rater])?;
            Ok(())
        })
    }

    /// Exchanges a link for a session.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn open_session(
        &mut self,
        rater: i64,
        secret: SecretHash,
        expires: f64,
    ) -> Result<(), PeopleError> {
        self.people.check("opening a session", |connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO session VALUES (?1, ?2, ?3)")?
                .execute(params![secret.0, rater, expires])?;
            Ok(())
        })
    }

    /// Forgets sessions that have ended.
    ///
    /// # Errors
    ///
    /// [`PeopleError`] when it cannot be stored.
    pub fn forget_ended_sessions(&mut self, at: f64) -> Result<(), PeopleError> {
        self.people.check("forgetting sessions", |connection| {
            connection.execute("DELETE FROM session WHERE expires <= ?1", [at])?;
            Ok(())
        })
    }
}

fn rater_of(row: &Row<'_>) -> rusqlite::Result<Rater> {
    Ok(Rater {
        number: row.get(0)?,
        name: row.get(1)?,
        role: if row.get_ref(2)?.as_str()? == "admin" {
            RaterRole::Admin
        } else {
            RaterRole::Rater
        },
        link_expires: row.get(3)?,
        revoked: row.get(4)?,
    })
}
