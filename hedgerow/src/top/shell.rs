//! The shell around [`App`]: carries frames from the views, keys from the terminal and pictures to it. Whatever happens, the
//! terminal is left as it was found.

use super::app::{App, Frame, Slot};
use crate::outcome::{CommandError, Outcome};
use crate::output::clock::now;
use hedgerow_views::{Told, ViewSpec, Views};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{Event, read};
use std::collections::BTreeMap;
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// What was told and is not drawn yet, in frames: a view that has more waits, and tells it together.
const FRAMES: usize = 16;
/// Keys that wait; the terminal keeps further ones.
const KEYS: usize = 64;
/// What the mesh tells is drawn at most so often.
const PACE: Duration = Duration::from_millis(250);
/// How often ages are drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// How long after a view has ended it is opened again.
const AGAIN: Duration = Duration::from_secs(5);

/// Something panicked; the terminal was restored for what it says.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// The views that are open.
pub struct Open {
    views: Views,
    tasks: BTreeMap<Slot, (ViewSpec, u64, Held)>,
    next: u64,
    frames: mpsc::Sender<(Slot, u64, Frame)>,
    paused: watch::Sender<bool>,
}

/// A task that ends with this.
struct Held(AbortHandle);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came, from where.
pub type Frames = mpsc::Receiver<(Slot, u64, Frame)>;

impl Open {
    /// None yet.
    pub fn new(views: Views) -> (Self, Frames) {
        let (frames, receiver) = mpsc::channel(FRAMES);
        let paused = watch::Sender::new(false);
        (Self { views, tasks: BTreeMap::new(), next: 0, frames, paused }, receiver)
    }

    /// The mesh.
    pub fn mesh(&self) -> &hedgerow_model::registration::Mesh {
        self.views.mesh().identity()
    }

    /// Opens what is wanted and closes what is not any more.
    pub fn follow(&mut self, app: &mut App) {
        self.paused.send_if_modified(|paused| {
            let is_other = *paused != app.paused.is_some();
            *paused = app.paused.is_some();
            is_other
        });
        let wanted = app.wanted();
        self.tasks.retain(|slot, (spec, ..)| wanted.iter().any(|(other, of)| other == slot && of == spec));
        for (slot, spec) in wanted {
            if self.tasks.contains_key(&slot) {
                continue;
            }
            app.opened_anew(slot);
            self.next += 1;
            let carried = carry(
                self.views.clone(),
                (slot, self.next),
                spec.clone(),
                self.frames.clone(),
                self.paused.subscribe(),
            );
            let task = Held(tokio::spawn(carried).abort_handle());
            self.tasks.insert(slot, (spec, self.next, task));
        }
    }

    /// Gives the app a frame, if it is of a view that is still open.
    pub fn give(&self, app: &mut App, (slot, number, frame): (Slot, u64, Frame)) {
        if self.tasks.get(&slot).is_some_and(|(_, of, _)| *of == number) {
            app.take(slot, frame);
        }
    }
}

/// Carries what a view tells; one that ends is opened again after a while. While it is paused nothing is taken but the first
/// frame: a view keeps nothing for who does not take, and then tells all at once.
async fn carry(
    views: Views,
    (slot, number): (Slot, u64),
    spec: ViewSpec,
    frames: mpsc::Sender<(Slot, u64, Frame)>,
    mut paused: watch::Receiver<bool>,
) {
    loop {
        let over = match views.open(spec.clone()) {
            Err(refused) => Frame::Over(refused.to_string()),
            Ok(mut look) => loop {
                match look.next().await {
                    Some(Told::Frame(text)) => match parsed(slot, &text) {
                        Ok(frame) => {
                            if frames.send((slot, number, frame)).await.is_err() {
                                return;
                            }
                        }
                        Err(error) => break Frame::Over(format!("a frame cannot be read: {error}")),
                    },
                    Some(Told::Over(why)) => break Frame::Over(why.to_string()),
                    None => break Frame::Over("it ended".to_owned()),
                }
                if paused.wait_for(|paused| !*paused).await.is_err() {
                    return;
                }
            },
        };
        if frames.send((slot, number, over)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn parsed(slot: Slot, text: &str) -> Result<Frame, serde_json::Error> {
    Ok(match slot {
        Slot::Mesh => Frame::Mesh(serde_json::from_str(text)?),
        Slot::Alarms => Frame::Alarms(serde_json::from_str(text)?),
        Slot::Farm => Frame::Farm(serde_json::from_str(text)?),
        Slot::Top => Frame::Top(serde_json::from_str(text)?),
        Slot::Trend(_) => Frame::Trend(serde_json::from_str(text)?),
    })
}

/// The terminal, as long as it is ours.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn take() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            ratatui::restore();
            PANICKED.store(true, Relaxed);
            before(panic);
        }));
        ratatui::try_init().map(Self)
    }

    /// Draws; what other lines of the last minutes that takes is decided here.
    fn draw(&mut self, app: &mut App) -> io::Result<bool> {
        let at = now();
        let mut paths = Vec::new();
        self.0.draw(|frame| paths = app.draw(frame.buffer_mut(), at))?;
        Ok(app.trends.show(&paths, at))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        ratatui::restore();
    }
}

/// Looks until the user leaves.
///
/// # Errors
/// Where there is no terminal to draw on, or it is gone.
pub async fn run(mut app: App, views: Views) -> Result<Outcome, CommandError> {
    let no_terminal = |error: io::Error| CommandError::Failed(format!("cannot use the terminal: {error}"));
    let mut ending = Ending::new().map_err(no_terminal)?;
    let (mut open, mut frames) = Open::new(views);
    open.follow(&mut app);
    let mut screen = Screen::take().map_err(no_terminal)?;
    let mut keys = keys();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut drawn, mut is_due) = (Instant::now(), true);
    loop {
        let mut at_once = false;
        tokio::select! {
            event = keys.recv() => match event {
                Some(Ok(Event::Key(key))) => {
                    app.key(key, now());
                    at_once = true;
                }
                Some(Ok(Event::Resize(..))) => at_once = true,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(no_terminal(error)),
                None => return Ok(Outcome::Done),
            },
            frame = frames.recv() => {
                if let Some(frame) = frame {
                    open.give(&mut app, frame);
                    is_due = true;
                }
            }
            _ = tick.tick() => {
                if crate::output::Out::is_stdout_gone() {
                    return Err(CommandError::ReaderGone);
                }
                is_due = true;
            }
            () = tokio::time::sleep_until(drawn + PACE), if is_due => at_once = true,
            () = ending.comes() => app.is_over = true,
        }
        if PANICKED.load(Relaxed) {
            return Err(CommandError::Failed(
                "something went wrong inside, as said above; please report it".to_owned(),
            ));
        }
        if app.is_over {
            return Ok(Outcome::Done);
        }
        if at_once {
            let other_lines = screen.draw(&mut app).map_err(no_terminal)?;
            (drawn, is_due) = (Instant::now(), other_lines);
            open.follow(&mut app);
        }
    }
}

/// Keys and sizes, from a thread of their own: reading blocks. It ends with the process.
fn keys() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(KEYS);
    tokio::task::spawn_blocking(move || {
        loop {
            let event = read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// The signals that end it.
struct Ending([tokio::signal::unix::Signal; 4]);

impl Ending {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds =
            [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup(), SignalKind::quit()];
        let [a, b, c, d] = kinds.map(signal);
        Ok(Self([a?, b?, c?, d?]))
    }

    async fn comes(&mut self) {
        let [a, b, c, d] = &mut self.0;
        tokio::select! { _ = a.recv() => {} _ = b.recv() => {} _ = c.recv() => {} _ = d.recv() => {} }
    }
}
