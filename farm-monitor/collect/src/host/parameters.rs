//! The parameters of the module `host`: one table, from which series are declared and `docs/reference/parameters.md`
//! is written. A name that stands here is a promise to people's predicates; it must never change its meaning.

use hedgerow_model::Kind;

/// One parameter the module makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the path.
    pub name: &'static str,
    /// What the label `item` names; empty where the parameter has none.
    pub item: &'static str,
    /// What its values mean.
    pub kind: Kind,
    /// UCUM; empty for plain counts and states.
    pub unit: &'static str,
    /// What it is, for people.
    pub meaning: &'static str,
    /// The file it is read from.
    pub source: &'static str,
    /// What prometheus-node-exporter calls it; empty where it has no counterpart.
    pub node_exporter: &'static str,
    /// Whether the kernel counts it in a word of its own width: 32 bits on a 32-bit kernel.
    pub kernel_word: bool,
}

/// Parameters that are read together; with one item each series set is one row.
pub type Family = &'static [Parameter];

/// All families, in the order of the reference.
pub const FAMILIES: [(&str, Family); 9] = [
    ("CPU", CPU),
    ("System", SYSTEM),
    ("Memory and swap", MEMORY),
    ("File systems", DISK),
    ("Block devices", IO),
    ("Network interfaces", NETWORK),
    ("Processes", PROCESSES),
    ("Pressure and sockets", KERNEL),
    ("Temperatures", TEMPERATURE),
];

macro_rules! kind {
    (Word) => {
        (Kind::Counter, true)
    };
    ($kind:ident) => {
        (Kind::$kind, false)
    };
}

/// Writes a family as a table of parameters and an enum of its places in it.
macro_rules! family {
    ($(#[$doc:meta])* $family:ident $place:ident, $item:literal, $file:literal,
     $($slot:ident: $kind:ident $name:literal [$unit:literal] $node:literal, $meaning:literal $(, $source:literal)?;)*) => {
        $(#[$doc])*
        pub const $family: Family = &[$(Parameter {
            name: $name,
            item: $item,
            kind: kind!($kind).0,
            unit: $unit,
            meaning: $meaning,
            source: family!(@source $file $($source)?),
            node_exporter: $node,
            kernel_word: kind!($kind).1,
        }),*];

        /// Places in the family of the same name.
        #[allow(dead_code, reason = "places that are fields of a file are reached by number")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum $place { $($slot),* }

        impl From<$place> for usize {
            fn from(place: $place) -> Self {
                place as Self
            }
        }
    };
    (@source $file:literal) => { $file };
    (@source $file:literal $source:literal) => { $source };
}

family! {
    /// Per core with the core's number as item, and without item for all cores together.
    CPU Cpu, "core; none: all cores", "/proc/stat",
    User: Counter "cpu_user" ["s"] "node_cpu_seconds_total{mode=\"user\"}", "Time in user code, guests included";
    Nice: Counter "cpu_nice" ["s"] "node_cpu_seconds_total{mode=\"nice\"}", "Time in user code of low priority";
    System: Counter "cpu_system" ["s"] "node_cpu_seconds_total{mode=\"system\"}", "Time in the kernel";
    Idle: Counter "cpu_idle" ["s"] "node_cpu_seconds_total{mode=\"idle\"}", "Time with nothing to do";
    IoWait: Counter "cpu_iowait" ["s"] "node_cpu_seconds_total{mode=\"iowait\"}", "Idle time while a disk was waited for";
    Irq: Counter "cpu_irq" ["s"] "node_cpu_seconds_total{mode=\"irq\"}", "Time in interrupts";
    SoftIrq: Counter "cpu_softirq" ["s"] "node_cpu_seconds_total{mode=\"softirq\"}", "Time in soft interrupts";
    Steal: Counter "cpu_steal" ["s"] "node_cpu_seconds_total{mode=\"steal\"}", "Time the hypervisor gave to others";
    Guest: Counter "cpu_guest" ["s"] "node_cpu_guest_seconds_total{mode=\"user\"}", "Time running guests; also in `cpu_user`";
    GuestNice: Counter "cpu_guest_nice" ["s"] "node_cpu_guest_seconds_total{mode=\"nice\"}", "Time running guests of low priority; also in `cpu_nice`";
    Busy: Gauge "cpu_busy" ["1"] "", "Share of the time since the last run that was neither idle nor iowait; from the second run on";
}

family! {
    /// The machine as a whole.
    SYSTEM System, "", "/proc/stat",
    CpuCount: Gauge "cpu_count" [""] "", "Cores online";
    Load1: Gauge "load1" [""] "node_load1", "Load average of 1 minute", "/proc/loadavg";
    Load5: Gauge "load5" [""] "node_load5", "Load average of 5 minutes", "/proc/loadavg";
    Load15: Gauge "load15" [""] "node_load15", "Load average of 15 minutes", "/proc/loadavg";
    Threads: Gauge "threads" [""] "node_procs_threads", "Threads of all processes, the kernel's included", "/proc/loadavg";
    TasksRunning: Gauge "tasks_running" [""] "node_procs_running", "Threads that run or could run";
    TasksBlocked: Gauge "tasks_blocked" [""] "node_procs_blocked", "Threads that wait for a disk";
    Forks: Word "forks" [""] "node_forks_total", "Processes and threads started";
    ContextSwitches: Counter "context_switches" [""] "node_context_switches_total", "Context switches";
    Interrupts: Counter "interrupts" [""] "node_intr_total", "Interrupts served";
    SoftInterrupts: Counter "soft_interrupts" [""] "", "Soft interrupts served";
    BootTime: Gauge "boot_time" ["s"] "node_boot_time_seconds", "When the machine started, in seconds of Unix time";
    Uptime: Gauge "uptime" ["s"] "node_time_seconds - node_boot_time_seconds", "Time since the start, sleep included", "/proc/uptime";
    FilesOpen: Gauge "files_open" [""] "node_filefd_allocated", "Open files, of all processes", "/proc/sys/fs/file-nr";
    FilesMax: Gauge "files_max" [""] "node_filefd_maximum", "Most files that can be open", "/proc/sys/fs/file-nr";
}

family! {
    /// Memory and swap.
    MEMORY Memory, "", "/proc/meminfo",
    Total: Gauge "memory_total" ["By"] "node_memory_MemTotal_bytes", "Memory the kernel manages";
    Free: Gauge "memory_free" ["By"] "node_memory_MemFree_bytes", "Memory used for nothing at all";
    Available: Gauge "memory_available" ["By"] "node_memory_MemAvailable_bytes", "Memory programs could get without swapping; where the kernel does not say, free + buffers + cached";
    Used: Gauge "memory_used" ["1"] "1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes", "Share of the memory that is not available";
    Buffers: Gauge "memory_buffers" ["By"] "node_memory_Buffers_bytes", "Cache of block devices";
    Cached: Gauge "memory_cached" ["By"] "node_memory_Cached_bytes", "Cache of files, shared memory included";
    Shared: Gauge "memory_shared" ["By"] "node_memory_Shmem_bytes", "Shared memory and tmpfs";
    Anonymous: Gauge "memory_anonymous" ["By"] "node_memory_AnonPages_bytes", "Memory of processes that no file stands behind";
    Mapped: Gauge "memory_mapped" ["By"] "node_memory_Mapped_bytes", "Files mapped by processes";
    Slab: Gauge "memory_slab" ["By"] "node_memory_Slab_bytes", "The kernel's own structures";
    SlabReclaimable: Gauge "memory_slab_reclaimable" ["By"] "node_memory_SReclaimable_bytes", "The part of `memory_slab` that can be given back";
    PageTables: Gauge "memory_page_tables" ["By"] "node_memory_PageTables_bytes", "Page tables";
    Dirty: Gauge "memory_dirty" ["By"] "node_memory_Dirty_bytes", "Waiting to be written to disk";
    Writeback: Gauge "memory_writeback" ["By"] "node_memory_Writeback_bytes", "Being written to disk";
    Committed: Gauge "memory_committed" ["By"] "node_memory_Committed_AS_bytes", "Memory promised to processes";
    CommitLimit: Gauge "memory_commit_limit" ["By"] "node_memory_CommitLimit_bytes", "Most that is promised where overcommitting is off";
    SwapTotal: Gauge "swap_total" ["By"] "node_memory_SwapTotal_bytes", "Swap space";
    SwapFree: Gauge "swap_free" ["By"] "node_memory_SwapFree_bytes", "Unused swap space";
    SwapUsed: Gauge "swap_used" ["1"] "1 - node_memory_SwapFree_bytes / node_memory_SwapTotal_bytes", "Share of the swap space in use; absent without swap";
    SwapIn: Counter "swap_in" ["By"] "node_vmstat_pswpin * page size", "Read back from swap", "/proc/vmstat";
    SwapOut: Counter "swap_out" ["By"] "node_vmstat_pswpout * page size", "Written to swap", "/proc/vmstat";
    PageFaults: Word "page_faults" [""] "node_vmstat_pgfault", "Page faults", "/proc/vmstat";
    MajorPageFaults: Word "major_page_faults" [""] "node_vmstat_pgmajfault", "Page faults that had to wait for a disk", "/proc/vmstat";
    OomKills: Word "oom_kills" [""] "node_vmstat_oom_kill", "Processes killed because memory ran out", "/proc/vmstat";
}

family! {
    /// File systems, by mount point.
    DISK Disk, "mount point", "statvfs",
    Size: Gauge "disk_size" ["By"] "node_filesystem_size_bytes", "Size of the file system";
    Free: Gauge "disk_free" ["By"] "node_filesystem_free_bytes", "Free space, what is kept for root included";
    Available: Gauge "disk_available" ["By"] "node_filesystem_avail_bytes", "Free space for ordinary users";
    Used: Gauge "disk_used" ["1"] "1 - avail / (size - free + avail)", "Share of the space that ordinary users can no longer get, as `df` shows it";
    Inodes: Gauge "disk_inodes" [""] "node_filesystem_files", "Inodes; absent where the file system does not count them";
    InodesFree: Gauge "disk_inodes_free" [""] "node_filesystem_files_free", "Free inodes";
    InodesUsed: Gauge "disk_inodes_used" ["1"] "1 - node_filesystem_files_free / node_filesystem_files", "Share of the inodes in use";
    ReadOnly: State "disk_read_only" [""] "node_filesystem_readonly", "0 `writable`, 1 `read-only`", "/proc/self/mountinfo";
}

family! {
    /// Block devices. The first places are the fields of `/proc/diskstats`, in its order.
    IO Io, "device", "/proc/diskstats",
    Reads: Word "io_reads" [""] "node_disk_reads_completed_total", "Reads done";
    ReadsMerged: Word "io_reads_merged" [""] "node_disk_reads_merged_total", "Reads merged into others";
    Read: Counter "io_read" ["By"] "node_disk_read_bytes_total", "Bytes read";
    ReadTime: Counter "io_read_time" ["s"] "node_disk_read_time_seconds_total", "Time all reads took together";
    Writes: Word "io_writes" [""] "node_disk_writes_completed_total", "Writes done";
    WritesMerged: Word "io_writes_merged" [""] "node_disk_writes_merged_total", "Writes merged into others";
    Written: Counter "io_written" ["By"] "node_disk_written_bytes_total", "Bytes written";
    WriteTime: Counter "io_write_time" ["s"] "node_disk_write_time_seconds_total", "Time all writes took together";
    InFlight: Gauge "io_in_flight" [""] "node_disk_io_now", "Requests begun and not done";
    BusyTime: Counter "io_busy_time" ["s"] "node_disk_io_time_seconds_total", "Time with at least one request in flight; its rate is the device's utilisation";
    QueueTime: Counter "io_queue_time" ["s"] "node_disk_io_time_weighted_seconds_total", "Time weighted by the requests in flight; its rate is the mean queue length";
    Discards: Word "io_discards" [""] "node_disk_discards_completed_total", "Discards done (kernel 4.18 on)";
    DiscardsMerged: Word "io_discards_merged" [""] "node_disk_discards_merged_total", "Discards merged into others";
    Discarded: Counter "io_discarded" ["By"] "node_disk_discarded_sectors_total * 512", "Bytes discarded";
    DiscardTime: Counter "io_discard_time" ["s"] "node_disk_discard_time_seconds_total", "Time all discards took together";
    Flushes: Word "io_flushes" [""] "node_disk_flush_requests_total", "Flushes done (kernel 5.5 on)";
    FlushTime: Counter "io_flush_time" ["s"] "node_disk_flush_requests_time_seconds_total", "Time all flushes took together";
}

family! {
    /// Network interfaces.
    NETWORK Net, "interface", "/proc/net/dev",
    In: Counter "in" ["By"] "node_network_receive_bytes_total", "Bytes received";
    InPackets: Counter "in_packets" [""] "node_network_receive_packets_total", "Packets received";
    InErrors: Counter "in_errors" [""] "node_network_receive_errs_total", "Packets received with errors";
    InDrops: Counter "in_drops" [""] "node_network_receive_drop_total", "Packets received and dropped";
    InMulticast: Counter "in_multicast" [""] "node_network_receive_multicast_total", "Multicast packets received";
    Out: Counter "out" ["By"] "node_network_transmit_bytes_total", "Bytes sent";
    OutPackets: Counter "out_packets" [""] "node_network_transmit_packets_total", "Packets sent";
    OutErrors: Counter "out_errors" [""] "node_network_transmit_errs_total", "Packets not sent for errors";
    OutDrops: Counter "out_drops" [""] "node_network_transmit_drop_total", "Packets dropped instead of sent";
    OutCollisions: Counter "out_collisions" [""] "node_network_transmit_colls_total", "Collisions";
    Link: State "link" [""] "node_network_up", "Operational state, as ifOperStatus of RFC 2863: 1 `up`, 2 `down`, 3 `testing`, 4 `unknown`, 5 `dormant`, 6 `notpresent`, 7 `lowerlayerdown`", "/sys/class/net/*/operstate";
    Speed: Gauge "speed" ["By/s"] "node_network_speed_bytes", "Nominal speed, where the driver knows it", "/sys/class/net/*/speed";
}

family! {
    /// Processes by state, and all together. Counted every 30 s, or every period where that is longer.
    PROCESSES Processes, "state; none: all", "/proc/*/stat",
    Count: Gauge "processes" [""] "node_processes_state", "Processes by state (`running`, `sleeping`, `blocked`, `stopped`, `zombie`, `idle`, `other`), or all; counted every 30 s at most";
}

family! {
    /// What tasks wait for, and sockets.
    KERNEL Kernel, "", "/proc/net/sockstat",
    CpuWaiting: Counter "pressure_cpu_waiting" ["s"] "node_pressure_cpu_waiting_seconds_total", "Time in which some task waited for a core", "/proc/pressure/cpu";
    IoWaiting: Counter "pressure_io_waiting" ["s"] "node_pressure_io_waiting_seconds_total", "Time in which some task waited for a disk", "/proc/pressure/io";
    IoStalled: Counter "pressure_io_stalled" ["s"] "node_pressure_io_stalled_seconds_total", "Time in which all busy tasks waited for a disk", "/proc/pressure/io";
    MemoryWaiting: Counter "pressure_memory_waiting" ["s"] "node_pressure_memory_waiting_seconds_total", "Time in which some task waited for memory", "/proc/pressure/memory";
    MemoryStalled: Counter "pressure_memory_stalled" ["s"] "node_pressure_memory_stalled_seconds_total", "Time in which all busy tasks waited for memory", "/proc/pressure/memory";
    Sockets: Gauge "sockets" [""] "node_sockstat_sockets_used", "Sockets of all kinds";
    Tcp: Gauge "sockets_tcp" [""] "node_sockstat_TCP_inuse", "TCP sockets, IPv4";
    TcpOrphaned: Gauge "sockets_tcp_orphaned" [""] "node_sockstat_TCP_orphan", "TCP sockets no process holds";
    TcpTimeWait: Gauge "sockets_tcp_time_wait" [""] "node_sockstat_TCP_tw", "TCP connections in TIME-WAIT";
    Udp: Gauge "sockets_udp" [""] "node_sockstat_UDP_inuse", "UDP sockets, IPv4";
    Tcp6: Gauge "sockets_tcp6" [""] "node_sockstat_TCP6_inuse", "TCP sockets, IPv6", "/proc/net/sockstat6";
    Udp6: Gauge "sockets_udp6" [""] "node_sockstat_UDP6_inuse", "UDP sockets, IPv6", "/proc/net/sockstat6";
}

family! {
    /// Temperatures.
    TEMPERATURE Temperature, "chip and sensor", "/sys/class/hwmon/*/temp*_input",
    Value: Gauge "temperature" ["Cel"] "node_hwmon_temp_celsius, node_thermal_zone_temp", "Temperature; item `coretemp/Core 0`, or the type of a thermal zone that no chip shows";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    /// The page's part that is written from the table.
    fn tables() -> String {
        let mut text = String::new();
        for (title, family) in FAMILIES {
            write!(text, "\n### {title}\n\n| name | item | kind | unit | meaning | from | node_exporter |\n|---|---|---|---|---|---|---|\n").unwrap();
            for p in family {
                let code = |text: &str| if text.is_empty() { String::new() } else { format!("`{text}`") };
                writeln!(
                    text,
                    "| `{}` | {} | {} | {} | {} | {} | {} |",
                    p.name,
                    p.item,
                    p.kind,
                    code(p.unit),
                    p.meaning,
                    code(p.source),
                    code(p.node_exporter)
                )
                .unwrap();
            }
        }
        text
    }

    #[test]
    fn the_reference_page_says_what_the_table_says() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/parameters.md");
        let (begin, end) = ("<!-- host: begin -->\n", "\n<!-- host: end -->");
        let text = std::fs::read_to_string(page).unwrap();
        let (head, rest) = text.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let expected = format!("{head}{begin}{}{end}{tail}", tables());
        if std::env::var_os("HEDGEROW_WRITE_REFERENCE").is_some() {
            std::fs::write(page, &expected).unwrap();
        } else {
            assert!(
                text == expected,
                "parameters.md differs from the table: run this test with HEDGEROW_WRITE_REFERENCE=1"
            );
        }
    }

    #[test]
    fn names_are_unique_snake_case_and_units_are_ucum() {
        let mut names = BTreeSet::new();
        for p in FAMILIES.iter().flat_map(|(_, family)| *family) {
            assert!(names.insert(p.name), "{} stands twice", p.name);
            assert!(
                p.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'),
                "{}",
                p.name
            );
            assert!(hedgerow_model::unit::is_unit(p.unit), "{}", p.unit);
            assert!(["", "1", "s", "By", "By/s", "Cel"].contains(&p.unit), "{} has no base unit", p.name);
            assert!(
                !p.kernel_word || (p.kind == Kind::Counter && p.unit.is_empty()),
                "{}: a scaled count cannot wrap at 2^32",
                p.name
            );
        }
    }
}
