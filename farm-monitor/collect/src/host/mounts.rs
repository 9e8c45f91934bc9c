//! Which mounts there are, and which of them are worth asking: `/proc/self/mountinfo`.
//! Decides from the text alone; must never touch a mount.

use super::files::Skipped;
use hedgerow_model::glob::Glob;
use std::collections::{HashMap, HashSet};

/// File systems that hold no data of their own, images that are full by nature, and file systems of the desktop that
/// refuse everyone but their user.
const LEFT_OUT: [&str; 39] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cramfs",
    "debugfs",
    "devfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "erofs",
    "fuse.gvfsd-fuse",
    "fuse.lxcfs",
    "fuse.portal",
    "fuse.snapfuse",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nfsd",
    "nsfs",
    "nullfs",
    "openpromfs",
    "pipefs",
    "proc",
    "pstore",
    "ramfs",
    "rootfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sockfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "usbfs",
];
/// Folders below which file systems in memory are the system's own.
const SYSTEM_FOLDERS: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];
/// Folders below which mounts belong to containers and come and go with them.
const CONTAINER_FOLDERS: [&str; 4] =
    ["/snap", "/var/lib/containers/storage", "/var/lib/docker", "/var/lib/kubelet"];

/// One line of `mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub id: u64,
    pub parent: u64,
    /// `major:minor`.
    pub device: String,
    /// What of the file system is mounted; `/` for all.
    pub root: String,
    pub point: String,
    pub read_only: bool,
    pub kind: String,
    pub source: String,
}

/// A mount that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub point: String,
    pub read_only: bool,
    /// Whether another machine, or a program, has to answer.
    pub remote: bool,
}

/// Reads `mountinfo`.
pub(super) fn parse(text: &str) -> (Vec<Mount>, Skipped) {
    let (mut mounts, mut skipped) = (Vec::new(), Skipped::default());
    for line in text.lines() {
        match parse_line(line) {
            Some(mount) => mounts.push(mount),
            None => skipped.line(line),
        }
    }
    (mounts, skipped)
}

/// `36 35 98:0 /root /point rw,noatime [optional ...] - ext4 /dev/root rw`.
fn parse_line(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ');
    let (id, parent) = (front.next()?.parse().ok()?, front.next()?.parse().ok()?);
    let (device, root, point, options) = (front.next()?, front.next()?, front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, source, of_file_system) = (back.next()?, back.next()?, back.next().unwrap_or_default());
    let read_only = |options: &str| options.split(',').any(|option| option == "ro");
    point.starts_with('/').then(|| Mount {
        id,
        parent,
        device: device.to_owned(),
        root: unescape(root),
        point: unescape(point),
        read_only: read_only(options) || read_only(of_file_system),
        kind: unescape(kind),
        source: unescape(source),
    })
}

/// Undoes `\040`: the kernel writes space, tab, line feed and backslash so.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(u8::is_ascii);
        match code.zip(part.get(3..)) {
            Some((code, rest)) => {
                plain.push(char::from(code));
                plain.push_str(rest);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// The mounts that are asked: those that can be reached and hold data, each file system once (at the mount of its whole,
/// then at the shortest path), none that `skip` matches.
pub(super) fn select(mounts: &[Mount], skip: &[Glob]) -> Vec<Listed> {
    let hidden = hidden(mounts);
    let mut chosen: HashMap<&str, &Mount> = HashMap::new();
    for mount in mounts {
        let left_out = hidden.contains(&mount.id)
            || !holds_data(mount)
            || skip.iter().any(|glob| glob.matches(&mount.point));
        if left_out {
            continue;
        }
        let order = |mount: &Mount| (mount.root != "/", mount.point.len(), mount.point.clone());
        let place = chosen.entry(&mount.device).or_insert(mount);
        if order(mount) < order(place) {
            *place = mount;
        }
    }
    mounts
        .iter()
        .filter(|mount| chosen.get(mount.device.as_str()).is_some_and(|chosen| chosen.id == mount.id))
        .map(|mount| Listed {
            point: mount.point.clone(),
            read_only: mount.read_only,
            remote: is_remote(mount),
        })
        .collect()
}

/// The ids of mounts that no path leads to: others were mounted over them, or over a folder above them.
fn hidden(mounts: &[Mount]) -> HashSet<u64> {
    // The root is its own parent in some containers.
    let children = || mounts.iter().filter(|mount| mount.id != mount.parent);
    let places: HashSet<(u64, &str)> = children().map(|mount| (mount.parent, mount.point.as_str())).collect();
    let by_id: HashMap<u64, &Mount> = mounts.iter().map(|mount| (mount.id, mount)).collect();
    // Covered: another one has it as parent and the same path.
    let covered = |mount: &Mount| places.contains(&(mount.id, mount.point.as_str()));
    // Buried: a brother (same parent) stands at a folder above, so it came later, or the parent would be another.
    let below_brother = |mount: &Mount| {
        let folders = mount.point.match_indices('/').filter_map(|(at, _)| mount.point.get(..at.max(1)));
        folders.filter(|folder| *folder != mount.point).any(|folder| places.contains(&(mount.parent, folder)))
    };
    let mut buried: HashSet<u64> = children().filter(|m| below_brother(m)).map(|m| m.id).collect();
    // What stands on those is buried too, and what stands on a covered one, but not what covers it. Until nothing
    // changes: parents need not stand first; nesting is shallow.
    loop {
        let more: Vec<u64> = children()
            .filter(|mount| !buried.contains(&mount.id))
            .filter(|mount| {
                buried.contains(&mount.parent)
                    || by_id
                        .get(&mount.parent)
                        .is_some_and(|parent| covered(parent) && parent.point != mount.point)
            })
            .map(|mount| mount.id)
            .collect();
        if more.is_empty() {
            break;
        }
        buried.extend(more);
    }
    buried.extend(mounts.iter().filter(|mount| covered(mount)).map(|mount| mount.id));
    buried
}

fn holds_data(mount: &Mount) -> bool {
    let below = |folders: &[&str]| {
        folders.iter().any(|folder| {
            mount.point.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    match mount.kind.as_str() {
        "tmpfs" => !below(&SYSTEM_FOLDERS) && !below(&CONTAINER_FOLDERS),
        // The root of a container is an overlay, and its only disk; other overlays are other containers' roots.
        "overlay" => mount.point == "/",
        kind => !LEFT_OUT.contains(&kind) && !below(&CONTAINER_FOLDERS),
    }
}

fn is_remote(mount: &Mount) -> bool {
    let local = ["tmpfs", "overlay", "zfs", "btrfs", "bcachefs", "ubifs", "jffs2"];
    mount.kind.starts_with("fuse")
        || !(mount.source.starts_with("/dev/") || local.contains(&mount.kind.as_str()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn points(text: &str) -> Vec<String> {
        let (mounts, skipped) = parse(text);
        assert_eq!(skipped.lines, 0, "{skipped:?}");
        select(&mounts, &[]).into_iter().map(|listed| listed.point).collect()
    }

    #[test]
    fn of_this_kind_of_machine_only_the_root_holds_data() {
        assert_eq!(points(include_str!("fixtures/mountinfo-vm")), ["/", "/mnt/tools"]);
    }

    #[test]
    fn bind_mounts_are_listed_once_at_the_whole() {
        let text = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 8:2 /www /srv rw - xfs /dev/sdb1 rw\n\
                    29 27 8:2 / /var/data rw shared:1 master:2 - xfs /dev/sdb1 rw\n30 27 8:1 /etc/hosts /a rw - ext4 /dev/sda1 rw\n\
                    31 27 0:50 /@home /home rw - btrfs /dev/sdc rw\n32 27 0:50 /@ /b rw - btrfs /dev/sdc rw\n";
        assert_eq!(points(text), ["/", "/var/data", "/b"]);
    }

    #[test]
    fn what_is_mounted_over_is_not_asked() {
        // /data twice: the later one is seen. /data/old stands on the covered one. /opt covers /opt/x, mounted before.
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 8:2 / /data rw - ext4 /dev/sdb rw\n3 2 8:3 / /data/old rw - ext4 /dev/sdc rw\n\
                    4 2 8:4 / /data rw - ext4 /dev/sdd rw\n5 1 8:5 / /opt/x rw - ext4 /dev/sde rw\n6 1 8:6 / /opt rw - ext4 /dev/sdf rw\n\
                    7 6 8:7 / /opt/y rw - ext4 /dev/sdg rw\n";
        assert_eq!(points(text), ["/", "/data", "/opt", "/opt/y"]);
    }

    #[test]
    fn automounts_are_left_out_and_what_they_mounted_is_not() {
        let text = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:40 / /net rw - autofs systemd-1 rw,fd=3\n\
                    3 2 0:41 / /net rw - nfs4 fs:/export rw,hard\n4 1 0:42 / /home rw - autofs auto.home rw\n";
        let (mounts, _) = parse(text);
        let listed = select(&mounts, &[]);
        assert_eq!(
            listed.iter().map(|l| (l.point.as_str(), l.remote)).collect::<Vec<_>>(),
            [("/", false), ("/net", true)]
        );
    }

    #[test]
    fn container_mounts_and_memory_of_the_system_are_left_out() {
        let text = "1 0 0:9 / / rw - overlay overlay rw\n2 1 0:10 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw\n\
                    3 1 0:11 / /run/lock rw - tmpfs tmpfs rw\n4 1 0:12 / /tmp rw - tmpfs tmpfs rw\n5 1 8:1 / /run/media/x rw - vfat /dev/sdb1 ro\n\
                    6 1 0:13 / /running rw - tmpfs tmpfs rw\n7 1 0:14 / /var/lib/kubelet/pods/1/secret rw - tmpfs tmpfs rw\n\
                    8 1 0:15 / /var/lib/kubelet/pods/1/data rw - ceph mon:/ rw\n";
        assert_eq!(points(text), ["/", "/tmp", "/run/media/x", "/running"]);
        assert!(parse(text).0[4].read_only);
    }

    #[test]
    fn names_with_spaces_and_backslashes_come_back() {
        let (mounts, skipped) = parse("1 0 8:1 / /a\\040b\\134c\\x\\400 rw - ext4 /dev/sda1 rw\n");
        assert_eq!((mounts[0].point.as_str(), skipped.lines), ("/a b\\c\\x\\400", 0));
        let globs = [Glob::new("/a*").unwrap()];
        assert!(select(&mounts, &globs).is_empty());
    }

    #[test]
    fn bad_lines_are_skipped_and_counted() {
        let (mounts, skipped) = parse(
            "1 0 8:1 / /a rw ext4 /dev/sda1 rw\nx 0 8:1 / /a rw - ext4 /dev/sda1 rw\n1 0 8:1 / nsfs rw - ext4\n\n",
        );
        assert_eq!((mounts.len(), skipped.lines), (0, 4));
    }
}
