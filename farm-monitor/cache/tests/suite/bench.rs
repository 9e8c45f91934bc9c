//! A cache in a temporary folder, its model as a plain list, and batches for both.
#![allow(dead_code)]

use hedgerow_cache::{Cache, CacheOptions, Opened, ReadRequest, Reader};
use hedgerow_model::{
    Batch, Columns, Epoch, Kind, Labels, Mark, Name, Numbered, Numbers, SeriesDef, SeriesId, SeriesKey,
    Times, UnixMillis, Value,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A sample as the model keeps it: (epoch's start, number, series, time, value with bits instead of floats, mark).
pub type Row = (u64, u64, u32, UnixMillis, String, Option<Mark>);

pub struct Bench {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
    pub options: CacheOptions,
    pub now: Arc<AtomicI64>,
    pub opened: Option<Opened>,
    pub model: Vec<Row>,
    /// Batches as they were accepted: epoch's start, first number, count, generation.
    pub batches: Vec<(u64, u64, u64, u8)>,
    pub next: u64,
    pub epoch: Epoch,
}

pub fn options() -> CacheOptions {
    CacheOptions {
        farm: "test".to_owned(),
        commit_interval: Duration::from_secs(3600),
        ballast_bytes: 0,
        ..CacheOptions::default()
    }
}

pub fn definition(series: u32, cluster: &str) -> SeriesDef {
    SeriesDef {
        key: SeriesKey {
            cluster: Name::new(cluster).unwrap(),
            node: Name::new("n\"1\\").unwrap(),
            parameter: Name::new(&format!("p{series}")).unwrap(),
            labels: Labels::item("ü [x]").unwrap(),
        },
        kind: Kind::Gauge,
        unit: "By".to_owned(),
        source: "test".to_owned(),
        interval: Some(Duration::from_secs(10)),
        lifetime: None,
        description: "a test's".to_owned(),
    }
}

pub fn bits(value: &Value) -> String {
    match value {
        Value::F64(number) => format!("f{:016x}", number.to_bits()),
        Value::I64(number) => format!("i{number}"),
        Value::Text(text) => format!("t{text}"),
        Value::State(code, text) => format!("s{code}{text:?}"),
    }
}

impl Bench {
    pub fn new(options: CacheOptions) -> Self {
        // In memory where that is possible: what is tested here does not depend on how long a sync takes.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Self::in_folder(folder, options)
    }

    pub fn in_folder(folder: tempfile::TempDir, options: CacheOptions) -> Self {
        let path = folder.path().join("cache.db");
        let now = Arc::new(AtomicI64::new(1000));
        let epoch = Epoch { start: 0, random: 0 };
        let (model, batches) = (Vec::new(), Vec::new());
        let mut bench = Self { folder, path, options, now, opened: None, model, batches, next: 1, epoch };
        bench.open();
        bench
    }

    pub fn open(&mut self) -> &Opened {
        let now = Arc::clone(&self.now);
        let clock = Arc::new(move || now.load(Ordering::SeqCst));
        let opened = Cache::open(&self.path, self.options.clone(), clock).unwrap();
        self.epoch = opened.epoch;
        self.next = 1;
        self.opened.insert(opened)
    }

    pub fn cache(&self) -> &Cache {
        &self.opened.as_ref().unwrap().cache
    }

    pub fn reader(&self) -> Reader {
        self.cache().reader()
    }

    pub fn add(&self, series: impl IntoIterator<Item = u32>, cluster: &str) {
        series.into_iter().for_each(|id| self.cache().add_series(SeriesId(id), &definition(id, cluster)));
    }

    pub fn close(&mut self) {
        self.opened.take().unwrap().cache.close().unwrap();
        self.prove();
    }

    /// The file accounts for every number.
    pub fn prove(&self) {
        for proof in hedgerow_cache::verify(&self.path).unwrap() {
            assert!(proof.holds(), "{proof:?}");
        }
    }

    /// Kills it; the model forgets what was not committed.
    pub fn crash(&mut self) -> u64 {
        let cache = self.opened.take().unwrap().cache;
        let committed = cache.committed();
        cache.crash();
        // Read only now: the writer may have been in the middle of a commit.
        let committed = committed.borrow().number;
        let start = self.epoch.start;
        self.model.retain(|row| row.0 != start || row.1 <= committed);
        committed
    }

    pub fn batch(
        &self,
        time: UnixMillis,
        samples: &[(u32, Value)],
        marks: Vec<(u32, Mark)>,
    ) -> Arc<Numbered> {
        let mut values = Columns::default();
        samples.iter().for_each(|(_, value)| values.push(value.clone()));
        let series = samples.iter().map(|(series, _)| SeriesId(*series)).collect();
        let batch = Batch { series, times: Times::One(time), values, marks, generation: 0 };
        Arc::new(Numbered { epoch: self.epoch, numbers: Numbers::From(self.next), batch })
    }

    /// Appends to cache and model; series ascending.
    pub fn append(&mut self, time: UnixMillis, samples: &[(u32, Value)], marks: Vec<(u32, Mark)>) {
        self.append_as(time, samples, marks, 0);
    }

    /// As `append`, of this generation.
    pub fn append_as(
        &mut self,
        time: UnixMillis,
        samples: &[(u32, Value)],
        marks: Vec<(u32, Mark)>,
        generation: u8,
    ) {
        let mut batch = self.batch(time, samples, marks);
        Arc::make_mut(&mut batch).batch.generation = generation;
        self.cache().append(&batch).unwrap();
        self.note(&batch, time);
    }

    /// The model has it, too.
    pub fn note(&mut self, batch: &Numbered, time: UnixMillis) {
        let marks = &batch.batch.marks;
        let (start, count) = (self.epoch.start, batch.batch.len() as u64);
        if count > 0 {
            self.batches.push((start, self.next, count, batch.batch.generation));
        }
        for (at, (series, _, value)) in (0_u32..).zip(batch.batch.iter()) {
            let mark = marks.iter().find(|(place, _)| *place == at).map(|(_, mark)| *mark);
            self.model.push((
                self.epoch.start,
                self.next + u64::from(at),
                series.0,
                time,
                bits(&value),
                mark,
            ));
        }
        self.next += count;
    }

    /// A round of the series `ids`, with values that tell them apart.
    pub fn round(&mut self, ids: std::ops::Range<u32>, time: UnixMillis) {
        let samples: Vec<(u32, Value)> =
            ids.map(|id| (id, Value::F64(f64::from(id) + (time % 1000) as f64 / 10.0))).collect();
        self.append(time, &samples, Vec::new());
    }

    /// What the model says, series after series.
    pub fn expected(&self, epoch: Epoch, series: &[SeriesId], after: u64, through: u64) -> Vec<Row> {
        let mut rows: Vec<Row> = self
            .model
            .iter()
            .filter(|row| row.0 == epoch.start && row.1 > after && row.1 <= through)
            .filter(|row| series.contains(&SeriesId(row.2)))
            .cloned()
            .collect();
        rows.sort_by_key(|row| (row.2, row.1));
        rows
    }
}

pub fn rows(batches: &[Numbered]) -> Vec<Row> {
    let mut rows = Vec::new();
    for numbered in batches {
        for (at, (series, time, value)) in numbered.batch.iter().enumerate() {
            let mark =
                numbered.batch.marks.iter().find(|(place, _)| *place as usize == at).map(|(_, mark)| *mark);
            rows.push((
                numbered.epoch.start,
                numbered.numbers.at(at).unwrap(),
                series.0,
                time,
                bits(&value),
                mark,
            ));
        }
    }
    rows
}

/// All of an epoch, read in answers of at most `max_samples`; sorted by series and number.
pub fn read_all(
    reader: &Reader,
    epoch: Epoch,
    series: &[SeriesId],
    through: u64,
    max_samples: usize,
) -> Vec<Row> {
    let mut all = Vec::new();
    let mut after = 0;
    while after < through {
        let request = ReadRequest { series, epoch, after, through, times: None, max_samples };
        let answer = reader.read(&request).unwrap();
        assert!(answer.through > after, "no progress");
        let found = rows(&answer.batches);
        assert!(found.iter().all(|row| row.1 > after && row.1 <= answer.through));
        assert!(found.is_sorted_by_key(|row| (row.2, row.1)) || series.len() > 1);
        all.extend(found);
        after = answer.through;
    }
    all.sort_by_key(|row| (row.2, row.1));
    all
}
