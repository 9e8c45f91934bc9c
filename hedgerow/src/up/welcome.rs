//! What `up` says once it runs: what runs where, and what to do next. Every command in it can be copied as it stands.

use std::path::Path;

/// Wider commands stand without their explanation, so that each keeps its line.
const WIDEST: usize = 80;

/// What is running.
pub struct Welcome<'a> {
    /// The page's link, with the session's token.
    pub page: &'a str,
    /// The mesh's name.
    pub mesh: &'a str,
    /// The farm's name.
    pub farm: &'a str,
    /// The lookups: name, address.
    pub lookups: Vec<(&'a str, String)>,
    /// The farm's address.
    pub farm_url: String,
    /// The data folder.
    pub data: &'a Path,
    /// The farm's configuration.
    pub farm_toml: &'a Path,
    /// Whether clients find the lookups by themselves.
    pub default_ports: bool,
}

impl Welcome<'_> {
    /// The lines; `hedgerow` is how this binary is called.
    pub fn lines(&self, hedgerow: &str) -> Vec<String> {
        let mut lines = vec![
            format!("hedgerow {} is up: farm {} of mesh {}", env!("CARGO_PKG_VERSION"), self.farm, self.mesh),
            String::new(),
        ];
        let mut row = |name: &str, what: &str| lines.push(format!("  {name:<10}{what}"));
        row("page", self.page);
        for (name, url) in &self.lookups {
            row(name, url);
        }
        row("farm", &format!("{}  watches this host", self.farm_url));
        row("data", &self.data.display().to_string());
        row("config", &format!("{}  changes are applied live", self.farm_toml.display()));
        let lookup = match self.lookups.first() {
            Some((_, url)) if !self.default_ports => format!(" --lookup {url}"),
            _ => String::new(),
        };
        let next = [
            ("find", "what is registered"),
            ("ls '*/hosts'", "series, with their last values"),
            ("watch '*/hosts/*/cpu_busy'", "live values"),
            ("query '*/hosts/*/load1' --since 10m --every 1m:mean,max", "history"),
            ("farm status", "how the farm is"),
        ];
        lines.extend([String::new(), "Try, in another terminal:".to_owned()]);
        let commands = next.map(|(words, what)| (format!("  {hedgerow} {words}{lookup}"), what));
        let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        lines.extend(commands.iter().map(|(command, what)| match width {
            ..=WIDEST => format!("{command:<width$}   # {what}"),
            _ => command.clone(),
        }));
        lines.extend([String::new(), "Ctrl-C stops.".to_owned()]);
        lines
    }
}

/// How this binary is called so that the shell finds it: by its name where that is it, else by its path.
pub fn command() -> String {
    let Ok(own) = std::env::current_exe().and_then(|path| path.canonicalize()) else {
        return "hedgerow".to_owned();
    };
    let on_path = std::env::var_os("PATH").is_some_and(|path| {
        let found =
            std::env::split_paths(&path).map(|folder| folder.join("hedgerow")).find(|file| file.is_file());
        found.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == own)
    });
    if on_path { "hedgerow".to_owned() } else { quoted(&own.display().to_string()) }
}

/// A word as shells read it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@,".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_a_terminal_and_can_be_copied() {
        let mut welcome = Welcome {
            page: "http://127.0.0.1:17400/#session=0123456789abcdef0123456789abcdef01234567",
            mesh: "desk",
            farm: "desk",
            lookups: vec![
                ("lookup-1", "http://127.0.0.1:17401".into()),
                ("lookup-2", "http://127.0.0.1:17402".into()),
            ],
            farm_url: "http://127.0.0.1:17403".into(),
            data: Path::new("/var/lib/hedgerow/up"),
            farm_toml: Path::new("/var/lib/hedgerow/up/farm.toml"),
            default_ports: false,
        };
        insta::assert_snapshot!(welcome.lines("hedgerow").join("\n"));
        welcome.default_ports = true;
        let lines = welcome.lines("hedgerow");
        assert!(lines.iter().all(|line| !line.contains("--lookup")));
        assert_eq!(quoted("/a b/it's"), "'/a b/it'\\''s'");
        assert_eq!(quoted("/usr/bin/hedgerow"), "/usr/bin/hedgerow");
    }
}
