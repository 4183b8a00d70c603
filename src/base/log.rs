//! The log.

/// Something that an operator should know.
pub fn warning(text: &str) {
    eprintln!("# {text}");
}
