//! What SNMP is spoken with, part by part: from a configuration, or from a command line. Knows neither.

use crate::config::collector::one_of;
use hedgerow_snmp::{AuthProtocol, PrivacyProtocol, Secret, Security, V3User};
use hedgerow_toml_tree::nearest;

/// The versions there are, as they are written.
pub const VERSIONS: [&str; 3] = ["1", "2c", "3"];
/// Names of the protocols that sign.
pub const AUTH: [(&str, AuthProtocol); 6] = [
    ("MD5", AuthProtocol::Md5),
    ("SHA-1", AuthProtocol::Sha1),
    ("SHA-224", AuthProtocol::Sha224),
    ("SHA-256", AuthProtocol::Sha256),
    ("SHA-384", AuthProtocol::Sha384),
    ("SHA-512", AuthProtocol::Sha512),
];
/// Names of the protocols that encrypt.
pub const PRIVACY: [(&str, PrivacyProtocol); 4] = [
    ("DES", PrivacyProtocol::Des),
    ("AES-128", PrivacyProtocol::Aes128),
    ("AES-192", PrivacyProtocol::Aes192),
    ("AES-256", PrivacyProtocol::Aes256),
];
/// What net-snmp and most devices call two of them.
const SHORT: [(&str, &str); 2] = [("SHA", "SHA1"), ("AES", "AES128")];

/// The community where nothing else is said.
pub const DEFAULT_COMMUNITY: &str = "public";
/// Longest community, in bytes; devices take less.
const MAX_COMMUNITY_BYTES: usize = 255;
/// Longest name of a user, in bytes: usmUserName of RFC 3414.
pub(super) const MAX_USER_BYTES: usize = 32;
/// Longest context, in bytes: SnmpAdminString of RFC 3411.
pub(super) const MAX_CONTEXT_BYTES: usize = 255;
/// Shortest password, in bytes: RFC 3414 §11.2.
const LEAST_PASSWORD_BYTES: usize = 8;

/// Everything that can be said, as a configuration or a command line gives it.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "named as the keys")]
pub struct Parts {
    pub version: Option<&'static str>,
    pub community: Option<Secret>,
    pub user: Option<String>,
    pub auth: Option<AuthProtocol>,
    pub auth_password: Option<Secret>,
    pub privacy: Option<PrivacyProtocol>,
    pub privacy_password: Option<Secret>,
    pub context: Option<String>,
}

/// What does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The part it is about, by its key.
    pub key: &'static str,
    /// What is wrong with it; empty: it is missing.
    pub problem: String,
    /// What was expected.
    pub expected: String,
}

impl Parts {
    /// The parts as a whole.
    ///
    /// # Errors
    /// Everything that does not fit.
    pub fn security(self) -> Result<Security, Vec<Misfit>> {
        let misfits = self.misfits();
        if !misfits.is_empty() {
            return Err(misfits);
        }
        let community = self.community.unwrap_or_else(|| Secret::new(DEFAULT_COMMUNITY));
        Ok(match self.version {
            Some("1") => Security::V1 { community },
            Some("3") => Security::V3(V3User {
                name: self.user.unwrap_or_default(),
                auth: self.auth.zip(self.auth_password),
                privacy: self.privacy.zip(self.privacy_password),
                context: self.context.unwrap_or_default(),
            }),
            _ => Security::V2c { community },
        })
    }

    fn misfits(&self) -> Vec<Misfit> {
        let mut misfits = Vec::new();
        let mut misfit = |key, problem: &str, expected: &str| {
            misfits.push(Misfit { key, problem: problem.to_owned(), expected: expected.to_owned() });
        };
        if self.version != Some("3") {
            let version = self.version.unwrap_or("2c");
            for (key, _) in self.of_v3().into_iter().filter(|(_, given)| *given) {
                let problem = format!("belongs to version 3, this is version {version}");
                misfit(key, &problem, "`community`, or version \"3\"");
            }
            return misfits;
        }
        if self.community.is_some() {
            misfit("community", "belongs to versions 1 and 2c, this is version 3", "`user`");
        }
        if self.user.is_none() {
            misfit("user", "", "the user's name, as the agent knows it");
        }
        if self.privacy.is_some() && self.auth.is_none() {
            let problem = "is set without `auth`: only what is signed can be encrypted";
            misfit("privacy", problem, "`auth` and `auth_password`, too");
        }
        let file = "a file that holds it and that only its owner may read";
        let auth = (self.auth.is_some(), self.auth_password.is_some());
        let privacy = (self.privacy.is_some(), self.privacy_password.is_some());
        let words = (one_of(&AUTH.map(|(word, _)| word)), one_of(&PRIVACY.map(|(word, _)| word)));
        for (protocol, password, given, words) in
            [("auth", "auth_password", auth, &words.0), ("privacy", "privacy_password", privacy, &words.1)]
        {
            match given {
                (true, false) => misfit(password, "", file),
                (false, true) => misfit(protocol, "", words),
                _ => {}
            }
        }
        for (key, secret) in
            [("auth_password", &self.auth_password), ("privacy_password", &self.privacy_password)]
        {
            if secret.as_ref().is_some_and(|secret| secret.reveal().len() < LEAST_PASSWORD_BYTES) {
                let expected = format!("at least {LEAST_PASSWORD_BYTES} characters (RFC 3414)");
                misfit(key, "the password is too short", &expected);
            }
        }
        misfits
    }

    fn of_v3(&self) -> [(&'static str, bool); 6] {
        [
            ("user", self.user.is_some()),
            ("auth", self.auth.is_some()),
            ("auth_password", self.auth_password.is_some()),
            ("privacy", self.privacy.is_some()),
            ("privacy_password", self.privacy_password.is_some()),
            ("context", self.context.is_some()),
        ]
    }
}

/// The one of `known` that a person means: `SHA-256`, `sha256`, `SHA`.
///
/// # Errors
/// Which there are, and which was probably meant.
pub fn protocol<T: Copy>(
    text: &str,
    known: &[(&'static str, T)],
) -> Result<T, (String, Option<&'static str>)> {
    let plain = |text: &str| text.to_ascii_uppercase().replace(['-', '_'], "");
    let word = plain(text);
    let word = SHORT.iter().find(|(short, _)| *short == word).map_or(word.as_str(), |(_, whole)| whole);
    let found = known.iter().find(|(name, _)| plain(name) == word);
    found.map(|(_, protocol)| *protocol).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        (one_of(&names), nearest(text, names.iter().copied()))
    })
}

/// A community that may be sent.
///
/// # Errors
/// What is wrong with it, and what was expected.
pub fn community(text: String) -> Result<Secret, (&'static str, String)> {
    within(&text, MAX_COMMUNITY_BYTES)?;
    Ok(Secret::new(text))
}

pub(super) fn within(text: &str, most: usize) -> Result<(), (&'static str, String)> {
    let problem = match text.len() {
        0 => "is empty",
        len if len > most => "is too long",
        _ => return Ok(()),
    };
    Err((problem, format!("1 to {most} bytes")))
}
