//! Pages that are run: the blocks of a tutorial, and whether what they print is what the page says.
//!
//! A block with the info string `sh test` is run, with `sh test wasm` where there is a compiler for WASM; a block `text output` right behind it says what it prints, where `...`
//! stands for anything, also for lines.

/// What a block has to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// The page does not say.
    Unsaid,
    /// This, with `...` for anything.
    Text(String),
}

/// A block to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of the page where it begins, from 1.
    pub line: usize,
    /// Commands for the shell.
    pub commands: String,
    /// What they print.
    pub expected: Expected,
    /// Whether it takes a compiler for WASM.
    pub wasm: bool,
}

/// The blocks of a page, in order.
pub fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = (1..).zip(page.lines());
    while let Some((number, line)) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else { continue };
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        let body = body.join("\n");
        match info.trim() {
            info @ ("sh test" | "sh test wasm") => {
                let wasm = info.ends_with("wasm");
                blocks.push(Block { line: number, commands: body, expected: Expected::Unsaid, wasm });
            }
            "text output" => {
                let last = blocks.last_mut().filter(|block| block.expected == Expected::Unsaid);
                let block = last.unwrap_or_else(|| panic!("line {number}: output of no block `sh test`"));
                block.expected = Expected::Text(body);
            }
            _ => {}
        }
    }
    blocks
}

/// Whether what was printed is what was expected. Space at the ends of lines does not count.
pub fn matches(expected: &Expected, printed: &str) -> bool {
    let Expected::Text(expected) = expected else { return true };
    let (expected, printed) = (trimmed(expected), trimmed(printed));
    let mut parts = expected.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn trimmed(text: &str) -> String {
    text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_blocks_are_run_and_their_output_is_with_them() {
        let page = "# A\n```sh\nrm -rf x\n```\n```sh test\necho a\necho b\n```\ntext\n```text output\na\nb\n```\n\
                    ```sh test wasm\ntrue\n```\n```text\nnot compared\n```\n";
        let expected = Expected::Text("a\nb".into());
        assert_eq!(
            blocks(page),
            [
                Block { line: 5, commands: "echo a\necho b".into(), expected, wasm: false },
                Block { line: 14, commands: "true".into(), expected: Expected::Unsaid, wasm: true },
            ]
        );
    }

    #[test]
    fn three_dots_stand_for_anything() {
        let says = |expected: &str, printed| matches(&Expected::Text(expected.into()), printed);
        assert!(says("a\nb", "a  \nb\n"));
        assert!(!says("a\nb", "a\nb\nc"));
        assert!(says("a ... c", "a b\nb c"));
        assert!(says("...\nname  kind ...\n...", "x\nname  kind  unit\ny"));
        assert!(!says("a ... c", "a b d"));
        assert!(!says("a...a", "a"), "a part is not matched twice");
        assert!(matches(&Expected::Unsaid, "whatever"));
    }
}
