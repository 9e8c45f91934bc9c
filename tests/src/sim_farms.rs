//! Farms that collect nothing: each registers with every lookup as a farm does, by the SDK, over connections of its own,
//! until it is cancelled or falls silent.

use crate::net::Node;
use crate::reactor::Reactor;
use crate::sandbox::Sandbox;
use hedgerow_client::channel::Caller;
use hedgerow_client::lease::{LeaseKeeper, LeaseKeeperOptions, LookupLease};
use hedgerow_client::{Body, Identity, UserToken};
use hedgerow_model::registration::{Endpoint, Id};
use hedgerow_proto::FARM_API;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How long lookups may take to answer a cancel.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// The farms, by name.
#[derive(Debug)]
pub struct SimFarms {
    running: Arc<Mutex<BTreeMap<String, SimFarm>>>,
    lookups: Vec<String>,
    token: UserToken,
    folder: PathBuf,
    // Last: what runs in it is dropped with it.
    reactor: Reactor,
}

#[derive(Debug)]
struct SimFarm {
    keeper: LeaseKeeper,
    body: watch::Sender<Body>,
    id: Id,
}

impl SimFarms {
    /// None yet; they will register with these.
    pub fn new(sandbox: &Sandbox, lookups: Vec<String>) -> Self {
        Self::on(Reactor::new(), sandbox, lookups)
    }

    /// The same at a node of a network.
    pub fn within(node: &Node, sandbox: &Sandbox, lookups: Vec<String>) -> Self {
        Self::on(Reactor::within(node), sandbox, lookups)
    }

    fn on(reactor: Reactor, sandbox: &Sandbox, lookups: Vec<String>) -> Self {
        let token = UserToken::load_or_create(&sandbox.path("state/hedgerow/token")).unwrap();
        let folder = sandbox.path(&sandbox.unique("sim-farms"));
        Self { running: Arc::default(), lookups, token, folder, reactor }
    }

    /// Starts one, or one again: with the same id, as the next instance.
    pub fn start(&self, name: &str) -> Id {
        let identity = Identity::open(&self.folder.join(name)).unwrap();
        let id = identity.id();
        let (lookups, caller) = (self.lookups.clone(), Caller::new(Some(self.token.clone()), None));
        let (running, name) = (Arc::clone(&self.running), name.to_owned());
        self.reactor.run(async move {
            let (body, said) = watch::channel(farm(&name));
            let keeper =
                LeaseKeeper::start(LeaseKeeperOptions::new(lookups, caller, identity, said)).unwrap();
            let before = running.lock().unwrap().insert(name, SimFarm { keeper, body, id });
            assert!(before.is_none(), "it runs already");
        });
        id
    }

    /// Starts several.
    pub fn start_all<N: AsRef<str>>(&self, names: impl IntoIterator<Item = N>) {
        for name in names {
            self.start(name.as_ref());
        }
    }

    /// Says something else of itself.
    pub fn change(&self, name: &str, description: &str) {
        let running = self.running.lock().unwrap();
        running[name].body.send_modify(|body| description.clone_into(&mut body.description));
    }

    /// Falls silent, as one that was killed.
    pub fn silence(&self, name: &str) {
        let farm = self.take(name);
        self.reactor.run(async move { drop(farm) });
    }

    /// Goes in good order.
    pub fn cancel(&self, name: &str) {
        let farm = self.take(name);
        // What a dead lookup cannot be told runs out by itself.
        self.reactor.run(async move { drop(farm.keeper.cancel_all(Instant::now() + CANCEL_PATIENCE).await) });
    }

    /// The id of one that runs.
    pub fn id(&self, name: &str) -> Id {
        self.running.lock().unwrap()[name].id
    }

    /// How the leases of one are, by its own account.
    pub fn leases(&self, name: &str) -> Vec<LookupLease> {
        self.running.lock().unwrap()[name].keeper.state()
    }

    /// Whether each of them is registered with all lookups.
    pub fn all_registered(&self) -> bool {
        self.running.lock().unwrap().values().all(|farm| self.is_everywhere(farm))
    }

    /// Whether this one is.
    pub fn is_registered(&self, name: &str) -> bool {
        self.is_everywhere(&self.running.lock().unwrap()[name])
    }

    fn is_everywhere(&self, farm: &SimFarm) -> bool {
        let leases = farm.keeper.state();
        leases.len() >= self.lookups.len() && leases.iter().all(|lease| lease.registered)
    }

    fn take(&self, name: &str) -> SimFarm {
        self.running.lock().unwrap().remove(name).expect("it does not run")
    }
}

impl Drop for SimFarms {
    fn drop(&mut self) {
        let running = std::mem::take(&mut *self.running.lock().unwrap());
        self.reactor.run(async move { drop(running) });
    }
}

/// What a farm says of itself.
fn farm(name: &str) -> Body {
    Body {
        name: name.to_owned(),
        kind: "farm".to_owned(),
        groups: vec!["simulated".to_owned()],
        // Nobody is there; nobody asks it anything either.
        endpoints: vec![Endpoint { url: "http://127.0.0.1:9".to_owned(), via_relay: None }],
        apis: vec![FARM_API.to_owned()],
        version: "0".to_owned(),
        ..Body::default()
    }
}
