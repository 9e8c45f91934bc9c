//! The shell around the core: sockets, clocks, and the task that owns them. A door that cannot listen says so and tries
//! again; nothing here ends the farm.

use crate::core::{Core, Effect};
use crate::counts::{Counted, Counts};
use crate::learned;
use crate::nodes::{self, Nodes};
use crate::remembered::{Key, Peer};
use crate::settings::TrapSettings;
use crate::sockets::{self, Buffer, Socket};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use hedgerow_collect::engine::WallClock;
use hedgerow_collect::front_door::{FrontDoor, NotKept};
use hedgerow_snmp::notify::{
    Acceptor, EngineError, Keyring, MAX_NOTIFICATION_BYTES, OwnEngine, UnusableCredentials,
};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior};

/// How often storms, memory and sockets are looked after.
const TICK: Duration = Duration::from_secs(1);
/// How often an address that could not be bound is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(5);
/// How often host names of nodes are resolved anew.
const RESOLVE_AGAIN: Duration = Duration::from_secs(300);
/// How often what was learned of senders is kept, where it changed.
const KEEP_EVERY: Duration = Duration::from_secs(60);
/// How long a change of the settings waits for host names to be resolved; what is not by then comes later.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);
/// Commands that wait for the task; it takes them at once.
const COMMANDS: usize = 8;

/// What a door is made of.
pub struct DoorOptions {
    /// Where samples go.
    pub front: Arc<dyn FrontDoor>,
    /// The farm's folder: there this door's engine is kept.
    pub folder: PathBuf,
    /// The wall clock.
    pub wall: WallClock,
}

/// How a door is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DoorState {
    /// Where it listens.
    pub bound: Vec<SocketAddr>,
    /// Why it does not listen where it should; empty: it does.
    pub trouble: String,
}

/// Why settings are not applied: the door stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Its credentials.
    #[error(transparent)]
    Credentials(#[from] UnusableCredentials),
    /// Its engine.
    #[error("{0}: {source}", source = std::error::Error::source(.0).map(ToString::to_string).unwrap_or_default())]
    Engine(#[from] EngineError),
    /// It has ended.
    #[error("the door has ended")]
    Ended,
}

enum Command {
    Apply(Box<Prepared>, oneshot::Sender<()>),
    Nodes(Vec<(String, hedgerow_model::Name)>, Nodes),
    Close(Duration),
}

/// Settings, with all that takes its time to make.
struct Prepared {
    settings: TrapSettings,
    keyring: Keyring,
    nodes: Nodes,
    /// Made when the door opens for the first time.
    acceptor: Option<Acceptor>,
}

/// The door's task, to be spawned.
pub struct Door {
    options: DoorOptions,
    commands: mpsc::Receiver<Command>,
    own: mpsc::Sender<Command>,
    state: watch::Sender<DoorState>,
    counts: Arc<Counts>,
}

/// A hold of the door for the rest of the farm.
#[derive(Clone)]
pub struct DoorHandle {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<DoorState>,
    counts: Arc<Counts>,
    folder: PathBuf,
    wall: WallClock,
    has_engine: Arc<tokio::sync::Mutex<bool>>,
}

impl DoorHandle {
    /// Applies settings; returns once it listens as they say, or has found that it cannot ([`DoorState::trouble`]).
    ///
    /// # Errors
    /// Where nothing is changed.
    pub async fn apply(&self, settings: TrapSettings) -> Result<(), ApplyError> {
        let mut has_engine = self.has_engine.lock().await;
        let folder = Some(self.folder.clone()).filter(|_| !*has_engine && !settings.listen.is_empty());
        let credentials = settings.credentials.clone();
        let (now, wall) = (Instant::now().into_std(), (self.wall)());
        // Keys take milliseconds, the engine a disk.
        let made = tokio::task::spawn_blocking(move || {
            let keyring = Keyring::new(credentials.iter().map(|security| &**security))?;
            let Some(folder) = folder else { return Ok((keyring, None)) };
            let mut acceptor = Acceptor::new(OwnEngine::open(&folder, now)?);
            acceptor.recall(learned::read(&folder, wall), now);
            Ok::<_, ApplyError>((keyring, Some(acceptor)))
        });
        let (keyring, acceptor) = made.await.map_err(|_| ApplyError::Ended)??;
        let mut known = nodes::literal(&settings.nodes);
        let resolving = nodes::resolve(settings.nodes.clone());
        if let Ok(resolved) = tokio::time::timeout(RESOLVE_PATIENCE, resolving).await {
            merge(&mut known, resolved);
        }
        let made = acceptor.is_some();
        let (done, applied) = oneshot::channel();
        let prepared = Box::new(Prepared { settings, keyring, nodes: known, acceptor });
        self.commands.send(Command::Apply(prepared, done)).await.map_err(|_| ApplyError::Ended)?;
        applied.await.map_err(|_| ApplyError::Ended)?;
        *has_engine |= made;
        Ok(())
    }

    /// How the door is.
    pub fn state(&self) -> watch::Receiver<DoorState> {
        self.state.clone()
    }

    /// What became of what came.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Shuts the door, and waits for it: informs that wait for their commit get their answer if that comes within `grace`.
    pub async fn close(&self, grace: Duration) {
        if self.commands.send(Command::Close(grace)).await.is_ok() {
            self.commands.closed().await;
        }
    }
}

/// Addresses come before names.
fn merge(known: &mut Nodes, resolved: Nodes) {
    for (address, node) in resolved {
        known.entry(address).or_insert(node);
    }
}

type Waiting = FuturesUnordered<BoxFuture<'static, (Key, Result<(), NotKept>)>>;

/// What the task owns while the door has settings.
struct Open {
    core: Core,
    nodes: Vec<(String, hedgerow_model::Name)>,
    listen: Vec<SocketAddr>,
    bind_at: Option<Instant>,
    resolve_at: Instant,
    keep_at: Instant,
    /// What was learned when it was kept last.
    kept: u64,
}

impl Door {
    /// A shut door, and the hold of it.
    pub fn new(options: DoorOptions) -> (Self, DoorHandle) {
        let (own, commands) = mpsc::channel(COMMANDS);
        let (state, told) = watch::channel(DoorState::default());
        let counts = Arc::new(Counts::default());
        let handle = DoorHandle {
            commands: own.clone(),
            state: told,
            counts: Arc::clone(&counts),
            folder: options.folder.clone(),
            wall: Arc::clone(&options.wall),
            has_engine: Arc::default(),
        };
        (Self { options, commands, own, state, counts }, handle)
    }

    /// Runs until it is closed.
    pub async fn run(mut self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut open: Option<Open> = None;
        let (mut listening, mut turn) = (Vec::<Socket>::new(), 0);
        let mut waiting = Waiting::new();
        let mut buffer: Buffer = Box::new([0; MAX_NOTIFICATION_BYTES + 1]);
        loop {
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Apply(prepared, done)) => {
                        self.apply(*prepared, &mut open, &mut listening);
                        // Who asked may have gone.
                        let _ = done.send(());
                    }
                    Some(Command::Nodes(of, resolved)) => {
                        if let Some(open) = open.as_mut().filter(|open| open.nodes == of) {
                            let mut known = nodes::literal(&of);
                            merge(&mut known, resolved);
                            open.core.set_nodes(known);
                        }
                    }
                    Some(Command::Close(grace)) => {
                        self.commands.close();
                        if let Some(open) = &mut open {
                            self.finish(open, &listening, &mut waiting, grace).await;
                        }
                        return;
                    }
                    None => return,
                },
                received = sockets::receive(&listening, &mut turn, &mut buffer), if !listening.is_empty() => {
                    if let (Some(open), Some((socket, length, address))) = (&mut open, received) {
                        let datagram = buffer.get(..length).unwrap_or_default();
                        self.datagram(open, &listening, &waiting, datagram, Peer { socket, address });
                    }
                }
                Some((key, kept)) = waiting.next(), if !waiting.is_empty() => {
                    if let Some(open) = &mut open {
                        self.committed(open, &listening, &key, kept);
                    }
                }
                _ = ticks.tick() => {
                    if let Some(open) = &mut open {
                        self.tick(open, &mut listening);
                    }
                }
            }
        }
    }

    fn datagram(
        &self,
        open: &mut Open,
        listening: &[Socket],
        waiting: &Waiting,
        datagram: &[u8],
        peer: Peer,
    ) {
        let now = Instant::now().into_std();
        match open.core.datagram(datagram, peer, now, (self.options.wall)()) {
            Effect::None => {}
            Effect::Answer(answer) => drop(self.send(listening, &answer, peer)),
            Effect::Wait(key, kept) => waiting.push(Box::pin(async move { (key, kept.await) })),
        }
    }

    fn committed(&self, open: &mut Open, listening: &[Socket], key: &Key, kept: Result<(), NotKept>) {
        if let Some((answer, peer)) = open.core.committed(key, kept, Instant::now().into_std())
            && self.send(listening, &answer, peer)
        {
            self.counts.add(Counted::Acknowledged);
        }
    }

    fn send(&self, listening: &[Socket], answer: &[u8], peer: Peer) -> bool {
        let sent = listening
            .iter()
            .find(|socket| socket.bound == peer.socket)
            .is_some_and(|socket| socket.send(answer, peer.address));
        if !sent {
            self.counts.add(Counted::NotAnswered);
        }
        sent
    }

    fn tick(&self, open: &mut Open, listening: &mut Vec<Socket>) {
        let now = Instant::now();
        open.core.tick(now.into_std(), (self.options.wall)());
        self.counts.add_many(Counted::BufferDropped, sockets::newly_dropped(listening));
        if open.bind_at.is_some_and(|at| now >= at) {
            self.listen(open, listening);
        }
        if now >= open.keep_at {
            open.keep_at = now + KEEP_EVERY;
            drop(self.keep(open));
        }
        if now >= open.resolve_at {
            open.resolve_at = now + RESOLVE_AGAIN;
            let (own, of) = (self.own.clone(), open.nodes.clone());
            tokio::spawn(async move {
                let resolved = nodes::resolve(of.clone()).await;
                // The door may have gone.
                let _ = own.send(Command::Nodes(of, resolved)).await;
            });
        }
    }

    fn apply(&self, prepared: Prepared, open: &mut Option<Open>, listening: &mut Vec<Socket>) {
        let Prepared { settings, keyring, nodes, acceptor } = prepared;
        let (listen, named) = (settings.listen.clone(), settings.nodes.clone());
        let resolve_at = Instant::now() + RESOLVE_AGAIN;
        match (&mut *open, acceptor) {
            (Some(open), _) => {
                open.core.apply(settings, keyring, nodes);
                (open.listen, open.nodes, open.resolve_at) = (listen, named, resolve_at);
            }
            (none, Some(acceptor)) => {
                let (front, counts) = (Arc::clone(&self.options.front), Arc::clone(&self.counts));
                let core = Core::new(front, counts, acceptor, settings, keyring, nodes);
                *none = Some(Open {
                    core,
                    nodes: named,
                    listen,
                    bind_at: None,
                    resolve_at,
                    keep_at: Instant::now() + KEEP_EVERY,
                    kept: 0,
                });
            }
            // Shut, and never was open.
            (None, None) => {}
        }
        if let Some(open) = open {
            self.listen(open, listening);
        }
    }

    /// Listens where it should: sockets that stay are kept, with what waits in them.
    fn listen(&self, open: &mut Open, listening: &mut Vec<Socket>) {
        listening.retain(|socket| open.listen.contains(&socket.configured));
        let mut trouble = Vec::new();
        for address in &open.listen {
            if listening.iter().any(|socket| socket.configured == *address) {
                continue;
            }
            match Socket::bind(*address) {
                Ok(socket) => listening.push(socket),
                Err(error) => trouble.push(format!("cannot listen on {address}: {error}")),
            }
        }
        open.bind_at = (!trouble.is_empty()).then(|| Instant::now() + BIND_AGAIN);
        let bound = listening.iter().map(|socket| socket.bound).collect();
        let state = DoorState { bound, trouble: trouble.join("; ") };
        self.state.send_if_modified(|before| {
            let changed = *before != state;
            if changed && !state.trouble.is_empty() {
                tracing::warn!(event = "door_trouble", door = "traps", error = state.trouble);
            } else if changed {
                tracing::info!(event = "door_listens", door = "traps", at = ?state.bound);
            }
            *before = state;
            changed
        });
    }

    /// Keeps what was learned of senders, beside the task; `None`: it is kept already.
    fn keep(&self, open: &mut Open) -> Option<tokio::task::JoinHandle<()>> {
        let acceptor = open.core.acceptor();
        if acceptor.learned_revision() == open.kept {
            return None;
        }
        open.kept = acceptor.learned_revision();
        let engines = acceptor.learned(Instant::now().into_std());
        let (folder, now) = (self.options.folder.clone(), (self.options.wall)());
        Some(tokio::task::spawn_blocking(move || {
            if let Err(error) = learned::write(&folder, &engines, now) {
                tracing::warn!(event = "trap_engines_not_kept", %error);
            }
        }))
    }

    /// Answers what is committed in time; takes nothing new.
    async fn finish(&self, open: &mut Open, listening: &[Socket], waiting: &mut Waiting, grace: Duration) {
        let until = Instant::now() + grace;
        while let Ok(Some((key, kept))) = tokio::time::timeout_at(until, waiting.next()).await {
            self.committed(open, listening, &key, kept);
        }
        if let Some(keeping) = self.keep(open) {
            // It has said what went wrong.
            let _ = keeping.await;
        }
    }
}
