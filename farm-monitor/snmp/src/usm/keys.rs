//! Keys from secrets: the slow step once per secret and off the runtime's threads, the quick one once per engine.

use crate::agent::{AuthProtocol, PrivacyProtocol, Secret, V3User};
use crate::ask::AskError;
use async_snmp::v3::{LocalizedKey, MasterKey, PrivKey};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// So many secrets' master keys are kept; when another comes all are forgotten, and made anew as they are used.
const REMEMBERED: usize = 4_096;

/// A user's keys with one engine.
pub(crate) struct Keys {
    pub auth: Option<LocalizedKey>,
    pub privacy: Option<PrivKey>,
}

/// A user's keys with no engine in particular.
pub(crate) struct Masters {
    auth: Option<MasterKey>,
    privacy: Option<(async_snmp::PrivProtocol, MasterKey)>,
}

impl Masters {
    /// With the engine of this id.
    pub fn localized(&self, engine: &[u8]) -> Result<Keys, AskError> {
        let auth = self.auth.as_ref().map(|master| master.localize(engine)).transpose();
        let privacy = self
            .privacy
            .as_ref()
            .map(|(protocol, master)| PrivKey::from_master_key(master, *protocol, engine))
            .transpose();
        match (auth, privacy) {
            (Ok(auth), Ok(privacy)) => Ok(Keys { auth, privacy }),
            (Err(error), _) | (_, Err(error)) => {
                Err(AskError::NotAskable(format!("no key can be made: {error}")))
            }
        }
    }
}

type Made = Arc<OnceCell<Result<MasterKey, String>>>;

/// The master keys of all secrets in use.
#[derive(Default)]
pub(crate) struct KeyStore {
    made: Mutex<HashMap<(AuthProtocol, Secret), Made>>,
}

impl KeyStore {
    /// A user's. Who asks for one that is being made waits for it.
    pub async fn masters(&self, user: &V3User) -> Result<Masters, AskError> {
        let named = |what: &str, error: String| {
            AskError::NotAskable(format!("the {what} secret of the v3 user {:?}: {error}", user.name))
        };
        let Some((protocol, secret)) = &user.auth else {
            return match user.privacy {
                None => Ok(Masters { auth: None, privacy: None }),
                Some(_) => Err(named("privacy", "encryption takes authentication too".to_owned())),
            };
        };
        let auth = self.master(*protocol, secret).await.map_err(|error| named("authentication", error))?;
        let privacy = match &user.privacy {
            None => None,
            Some((cipher, secret)) => {
                let master = self.master(*protocol, secret).await.map_err(|error| named("privacy", error))?;
                Some((cipher.of_library(), master))
            }
        };
        Ok(Masters { auth: Some(auth), privacy })
    }

    /// A user's, made on this thread and not kept.
    #[cfg(any(test, feature = "judge"))]
    pub fn masters_now(user: &V3User) -> Result<Masters, AskError> {
        let no_key = |error: async_snmp::v3::CryptoError| AskError::NotAskable(error.to_string());
        let made = |protocol: AuthProtocol, secret: &Secret| {
            MasterKey::from_password(protocol.of_library(), secret.reveal().as_bytes()).map_err(no_key)
        };
        let auth = user.auth.as_ref().map(|(protocol, secret)| made(*protocol, secret)).transpose()?;
        let privacy = match (&user.auth, &user.privacy) {
            (Some((protocol, _)), Some((cipher, secret))) => {
                Some((cipher.of_library(), made(*protocol, secret)?))
            }
            _ => None,
        };
        Ok(Masters { auth, privacy })
    }

    async fn master(&self, protocol: AuthProtocol, secret: &Secret) -> Result<MasterKey, String> {
        let made = {
            let mut known = self.made.lock();
            if let Some(made) = known.get(&(protocol, secret.clone())) {
                Arc::clone(made)
            } else {
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                Arc::clone(known.entry((protocol, secret.clone())).or_default())
            }
        };
        made.get_or_init(|| async {
            let secret = secret.clone();
            // A hash over a MiB.
            tokio::task::spawn_blocking(move || {
                MasterKey::from_password(protocol.of_library(), secret.reveal().as_bytes())
                    .map_err(|error| error.to_string())
            })
            .await
            .unwrap_or_else(|error| Err(error.to_string()))
        })
        .await
        .clone()
    }
}

impl AuthProtocol {
    fn of_library(self) -> async_snmp::AuthProtocol {
        match self {
            Self::Md5 => async_snmp::AuthProtocol::Md5,
            Self::Sha1 => async_snmp::AuthProtocol::Sha1,
            Self::Sha224 => async_snmp::AuthProtocol::Sha224,
            Self::Sha256 => async_snmp::AuthProtocol::Sha256,
            Self::Sha384 => async_snmp::AuthProtocol::Sha384,
            Self::Sha512 => async_snmp::AuthProtocol::Sha512,
        }
    }
}

impl PrivacyProtocol {
    fn of_library(self) -> async_snmp::PrivProtocol {
        match self {
            Self::Des => async_snmp::PrivProtocol::Des,
            Self::Aes128 => async_snmp::PrivProtocol::Aes128,
            Self::Aes192 => async_snmp::PrivProtocol::Aes192Blumenthal,
            Self::Aes256 => async_snmp::PrivProtocol::Aes256Blumenthal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(auth: Option<&str>, privacy: Option<&str>) -> V3User {
        V3User {
            name: "ann".to_owned(),
            auth: auth.map(|secret| (AuthProtocol::Sha256, Secret::new(secret))),
            privacy: privacy.map(|secret| (PrivacyProtocol::Aes128, Secret::new(secret))),
            context: String::new(),
        }
    }

    #[tokio::test]
    async fn a_master_key_is_made_once() {
        let store = KeyStore::default();
        let masters = store.masters(&user(Some("longenough"), Some("longenough"))).await.unwrap();
        assert!(masters.privacy.is_some());
        store.masters(&user(Some("longenough"), None)).await.unwrap();
        assert_eq!(store.made.lock().len(), 1);
    }

    #[tokio::test]
    async fn a_secret_that_makes_no_key_is_named_without_being_told() {
        let store = KeyStore::default();
        for (auth, privacy, what) in [
            (Some("short"), None, "the authentication secret of the v3 user \"ann\""),
            (Some("longenough"), Some("short"), "the privacy secret of the v3 user \"ann\""),
            (None, Some("longenough"), "encryption takes authentication too"),
        ] {
            let error = store.masters(&user(auth, privacy)).await.err().unwrap().to_string();
            assert!(error.contains(what), "{error}");
            assert!(!error.contains("short\"") && !error.contains("longenough"), "{error}");
        }
    }
}
