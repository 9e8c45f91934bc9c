//! The desk: components that were uploaded and wait to be deployed, and one engine that asks them what they are. Compiled is in a
//! child with bounds, one at a time; nothing of it is signed or sent.

use crate::error::ApiError;
use bytes::Bytes;
use hedgerow_client::mesh::Mesh;
use hedgerow_filter_host::compile::Compiler;
use hedgerow_filter_host::guest::Description;
use hedgerow_filter_host::shipped;
use hedgerow_filter_host::taken::{NotTaken, asked_by};
use hedgerow_filter_host::{Digest, Engine, EngineOptions, Program};
use hedgerow_model::document::Hash;
use http::StatusCode;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Uploaded components that are kept; the oldest goes. They are in memory only: what is deployed is at the lookups.
const MAX_UPLOADS: usize = 16;
/// Bytes of them; the oldest go.
const MAX_UPLOAD_BYTES: usize = 64 * 1024 * 1024;
/// Compiled ones that are kept, so that a form can ask again quickly.
const MAX_PROGRAMS: usize = 4;
/// Instances at once: one asks, others wait.
const INSTANCES: u32 = 4;

/// The desk. Cheap to clone.
#[derive(Clone)]
pub struct Desk(Arc<Shared>);

struct Shared {
    compiler: Compiler,
    uploads: Mutex<VecDeque<(String, Bytes)>>,
    bench: Mutex<Bench>,
}

#[derive(Default)]
struct Bench {
    engine: Option<Engine>,
    programs: VecDeque<Program>,
}

/// A component by the name or digest by which it was asked for.
#[derive(Debug, Clone)]
pub struct Component {
    /// What it is called where nothing else is said.
    pub name: String,
    /// Its bytes.
    pub bytes: Bytes,
    /// Parameters with which it can be asked what it is.
    pub example: &'static str,
}

/// What a component was asked, and answered.
#[derive(Debug, Default)]
pub struct Told {
    /// What it says of itself.
    pub said: Option<Description>,
    /// What it has against the parameters.
    pub complaint: Option<String>,
}

impl Desk {
    /// An empty one.
    pub fn new(compiler: Compiler) -> Self {
        Self(Arc::new(Shared { compiler, uploads: Mutex::default(), bench: Mutex::default() }))
    }

    /// Keeps a component; its digest.
    pub fn keep(&self, bytes: Bytes) -> String {
        let digest = digest(&bytes);
        let mut uploads = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
        uploads.retain(|(of, _)| *of != digest);
        uploads.push_back((digest.clone(), bytes));
        let held =
            |uploads: &VecDeque<(String, Bytes)>| uploads.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        while uploads.len() > MAX_UPLOADS || (uploads.len() > 1 && held(&uploads) > MAX_UPLOAD_BYTES) {
            uploads.pop_front();
        }
        digest
    }

    /// The component of this word: a digest of what was uploaded or is deployed, or the name of what is shipped.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn component(&self, word: &str, mesh: &Mesh) -> Result<Component, ApiError> {
        if let Some(shipped) = shipped::named(word) {
            let bytes = Bytes::from_static(shipped.bytes);
            return Ok(Component { name: shipped.name.to_owned(), bytes, example: shipped.example });
        }
        let plain = |bytes: Bytes| {
            let shipped = shipped::SHIPPED.iter().find(|shipped| shipped.bytes == bytes);
            let example = shipped.map_or("{}", |shipped| shipped.example);
            Component { name: "filter".to_owned(), bytes, example }
        };
        let uploaded = {
            let uploads = self.0.uploads.lock().unwrap_or_else(PoisonError::into_inner);
            uploads.iter().find(|(digest, _)| digest == word).map(|(_, bytes)| bytes.clone())
        };
        if let Some(bytes) = uploaded {
            return Ok(plain(bytes));
        }
        let expected = || {
            ApiError::not_found(format!(
                "there is no component {word}: expected the name of one that is shipped, or the digest of one that was \
                 uploaded to this server since its start, or is deployed"
            ))
        };
        let hash = Hash::parse(word).ok_or_else(expected)?;
        let deployed = mesh.deployed(&[], hedgerow_service::clock::unix_millis()).await;
        let mut blobs = deployed.deployments.iter().flat_map(|one| one.document.document.blobs.iter());
        let blob = *blobs.find(|blob| blob.hash == hash).ok_or_else(expected)?;
        Ok(plain(mesh.component(blob).await?))
    }

    /// What a component says of itself with these parameters.
    ///
    /// # Errors
    /// What is wrong with it, or with them.
    pub async fn describe(&self, component: Component, parameters: String) -> Result<Description, ApiError> {
        match self.told(component, vec![parameters]).await? {
            Told { said: Some(said), complaint: None } => Ok(said),
            Told { complaint, .. } => {
                let complaint = complaint.unwrap_or_default();
                Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "refused_parameters", complaint))
            }
        }
    }

    /// What a component has against the first of these parameters, and what it says of itself with the first that it knows
    /// something to say with.
    ///
    /// # Errors
    /// What is wrong with it.
    pub async fn told(&self, component: Component, parameters: Vec<String>) -> Result<Told, ApiError> {
        let desk = self.clone();
        let asked = tokio::task::spawn_blocking(move || desk.ask_all(&component, &parameters));
        match asked.await {
            Ok(Ok(told)) => Ok(told),
            Ok(Err(error)) if error.is_of_this_machine() => {
                Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not_now", error.to_string()))
            }
            Ok(Err(error)) => {
                Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "refused_filter", error.to_string()))
            }
            Err(error) => Err(ApiError::internal(error.to_string())),
        }
    }

    fn ask_all(&self, component: &Component, all: &[String]) -> Result<Told, NotTaken> {
        let mut told = Told::default();
        for (at, parameters) in all.iter().enumerate() {
            let (said, complaint) = match self.ask(component, parameters) {
                Ok((said, complaint)) => (Some(said), complaint),
                Err(error) if error.is_of_parameters() => (None, Some(error.to_string())),
                // With other parameters it may fail in another way: that is nobody's question.
                Err(_) if at > 0 => continue,
                Err(error) => return Err(error),
            };
            if at == 0 {
                told.complaint = complaint;
            }
            told.said = said;
            if told.said.is_some() {
                break;
            }
        }
        Ok(told)
    }

    fn ask(
        &self,
        component: &Component,
        parameters: &str,
    ) -> Result<(Description, Option<String>), NotTaken> {
        let mut bench = self.0.bench.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = match &bench.engine {
            Some(engine) => engine.clone(),
            None => {
                let options = EngineOptions::new(self.0.compiler.clone());
                let engine = Engine::new(EngineOptions { max_instances: INSTANCES, ..options })?;
                bench.engine.insert(engine).clone()
            }
        };
        let (program, description, complaint) =
            asked_by(&engine, &component.name, &component.bytes, parameters)?;
        bench.programs.retain(|kept| kept.digest() != program.digest());
        bench.programs.push_back(program);
        if bench.programs.len() > MAX_PROGRAMS {
            bench.programs.pop_front();
        }
        Ok((description, complaint))
    }
}

/// The digest of bytes, as hex digits.
pub fn digest(bytes: &[u8]) -> String {
    Hash(Digest::of(bytes).0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_uploaded_is_bounded_and_the_oldest_goes() {
        let desk = Desk::new(Compiler::InProcess);
        let first = desk.keep(Bytes::from_static(b"0"));
        let kept = |digest: &str| {
            desk.0.uploads.lock().is_ok_and(|uploads| uploads.iter().any(|(of, _)| of == digest))
        };
        for n in 1..MAX_UPLOADS {
            desk.keep(Bytes::from(n.to_string()));
        }
        assert!(kept(&first));
        desk.keep(Bytes::from_static(b"0"));
        desk.keep(Bytes::from_static(b"more"));
        assert!(kept(&first), "sent again it is new");
        let large = desk.keep(Bytes::from(vec![1; MAX_UPLOAD_BYTES]));
        assert!(!kept(&first) && kept(&large));
        assert_eq!(first.len(), 64);
    }
}
