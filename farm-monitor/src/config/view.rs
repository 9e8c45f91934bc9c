//! Views: named sets of nodes that may overlap. A view only names nodes; series keep their home path.

use hedgerow_model::Glob;
use hedgerow_model::predicate::{LabelPattern, PathPattern};
use hedgerow_toml_tree::{Got, Section, Wrong, text};

/// Most members of one view; a longer list is refused.
const MAX_MEMBERS: usize = 10_000;

/// A named set of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<Member>,
}

/// Some nodes of some clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The clusters.
    pub cluster: Glob,
    /// The nodes in them.
    pub node: Glob,
}

impl View {
    /// Whether a node of a cluster is in the view.
    pub fn holds(&self, cluster: &str, node: &str) -> bool {
        self.members.iter().any(|member| member.cluster.matches(cluster) && member.node.matches(node))
    }
}

/// Reads `[view.NAME]`.
pub(super) fn view(name: &str, mut section: Section<'_>) -> View {
    let expected = "a list of cluster/node patterns, as [\"hosts/n1*\", \"net/sw-*\"]";
    let members =
        section.list("members", expected, |node| member(&text(node, "a pattern for cluster/node")?));
    match &members {
        Got::Absent => section.missing("members", expected),
        Got::Is(list, at) if list.len() > MAX_MEMBERS => {
            let wrong =
                Wrong::new(format!("{} members are too many", list.len()), format!("at most {MAX_MEMBERS}"));
            section.findings.error(*at, &section.path.child("members"), wrong);
        }
        _ => {}
    }
    section.finish();
    View { name: name.to_owned(), members: members.or(Vec::new()) }
}

/// Reads `cluster/node` as the middle of path text.
fn member(text: &str) -> Result<Member, Wrong> {
    const FARM: &str = "*/";
    let pattern = PathPattern::parse(&format!("{FARM}{text}")).map_err(|error| {
        let at = error.at.saturating_sub(FARM.len());
        Wrong::new(format!("`{text}`, at byte {at}: {}", error.what), error.expected)
    })?;
    if !pattern.parameter.is_any() || pattern.labels != LabelPattern::Any {
        return Err(Wrong::new(
            format!("`{text}` has more than two parts"),
            "cluster/node: a view holds nodes, not parameters",
        ));
    }
    Ok(Member { cluster: pattern.cluster, node: pattern.node })
}
