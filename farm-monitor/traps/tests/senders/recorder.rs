//! A front door that keeps what it is given, and is committed, lost or refused as the test says.

use hedgerow_collect::front_door::{Accepted, FrontDoor, Kept, NotKept, OriginId};
use hedgerow_model::{Batch, Life, Refusal, SeriesDef, SeriesId, Value};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::watch;

#[derive(Default)]
struct Inner {
    defs: Vec<SeriesDef>,
    samples: Vec<(SeriesId, i64, Value)>,
    refuses: bool,
    commits: bool,
    tickets: u64,
}

/// Up to which ticket it is decided, and whether those in between were kept.
#[derive(Debug, Clone, Copy, Default)]
struct Decided {
    through: u64,
    lost: u64,
}

pub struct Recorder {
    inner: Mutex<Inner>,
    decided: watch::Sender<Decided>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { inner: Mutex::default(), decided: watch::channel(Decided::default()).0 }
    }
}

impl Recorder {
    /// From now on nothing is committed.
    pub fn hold(&self) {
        self.inner.lock().commits = false;
    }

    /// Commits what there is, and what comes.
    pub fn commit(&self) {
        let mut inner = self.inner.lock();
        inner.commits = true;
        self.decided.send_modify(|decided| decided.through = inner.tickets);
    }

    /// What there is was lost before its commit.
    pub fn lose(&self) {
        let inner = self.inner.lock();
        self.decided
            .send_modify(|decided| *decided = Decided { through: inner.tickets, lost: inner.tickets });
    }

    /// Refuses every sample, as a hub with a full cache does.
    pub fn refuse(&self, refuses: bool) {
        self.inner.lock().refuses = refuses;
    }

    /// All paths, sorted, without the farm.
    pub fn series(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.inner.lock().defs.iter().map(path).collect();
        paths.sort();
        paths
    }

    pub fn def(&self, of: &str) -> SeriesDef {
        self.inner
            .lock()
            .defs
            .iter()
            .find(|def| path(def) == of)
            .cloned()
            .unwrap_or_else(|| panic!("no {of}"))
    }

    /// Times and texts of a series, as they came.
    pub fn values(&self, of: &str) -> Vec<(i64, String)> {
        let inner = self.inner.lock();
        let at = inner.defs.iter().position(|def| path(def) == of);
        let id = at.map(|at| SeriesId(u32::try_from(at).unwrap() + 1));
        let samples = inner.samples.iter().filter(|(series, ..)| Some(*series) == id);
        samples
            .map(|(_, time, value)| match value {
                Value::Text(text) => (*time, text.to_string()),
                Value::State(code, text) => {
                    (*time, format!("{code} {}", text.as_deref().unwrap_or_default()))
                }
                number => (*time, format!("{number:?}")),
            })
            .collect()
    }

    /// Everything, for messages.
    pub fn lines(&self) -> Vec<String> {
        self.series().into_iter().map(|path| format!("{path}: {:?}", self.values(&path))).collect()
    }
}

fn path(def: &SeriesDef) -> String {
    let key = &def.key;
    let item = key.labels.get("item").map(|item| format!("[{item}]")).unwrap_or_default();
    format!("{}/{}/{}{item}", key.cluster, key.node, key.parameter)
}

impl FrontDoor for Recorder {
    fn origin(&self, name: &str) -> OriginId {
        assert_eq!(name, "door traps");
        OriginId(1)
    }

    fn declare(&self, _origin: OriginId, def: &SeriesDef) -> Result<SeriesId, Refusal> {
        let mut inner = self.inner.lock();
        let at = inner.defs.iter().position(|known| known.key == def.key).unwrap_or_else(|| {
            inner.defs.push(def.clone());
            inner.defs.len() - 1
        });
        Ok(SeriesId(u32::try_from(at).unwrap() + 1))
    }

    fn accept(&self, _origin: OriginId, batch: Batch) -> Accepted {
        let mut inner = self.inner.lock();
        let many = batch.len() as u64;
        if inner.refuses {
            return Accepted { accepted: 0, refused: vec![(Refusal::Overload, many)] };
        }
        inner.samples.extend(batch.iter());
        Accepted { accepted: many, refused: Vec::new() }
    }

    fn accept_durably(&self, origin: OriginId, batch: Batch) -> (Accepted, Kept) {
        let accepted = self.accept(origin, batch);
        let mut inner = self.inner.lock();
        inner.tickets += 1;
        let ticket = inner.tickets;
        if inner.commits {
            self.decided.send_modify(|decided| decided.through = ticket);
        }
        let mut decided = self.decided.subscribe();
        let kept = async move {
            let decided = decided.wait_for(|decided| decided.through >= ticket).await;
            if decided.is_ok_and(|decided| decided.lost < ticket) { Ok(()) } else { Err(NotKept) }
        };
        (accepted, Box::pin(kept))
    }

    fn set_life(&self, _series: &[SeriesId], _life: Life, _reason: &str) {}
}

/// Waits until something is so, for as long as a busy machine may take.
pub async fn patiently(is_so: impl Fn() -> bool, told: impl Fn() -> String) {
    for _ in 0..12_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within a minute: {}", told());
}
