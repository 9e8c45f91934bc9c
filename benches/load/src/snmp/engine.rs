//! The other parts: what dead, big and lossy agents cost those that are well, through the real collection engine.

/// Dead agents among the living.
pub async fn dead() -> Result<String, String> {
    Ok(String::new())
}

/// A big one, and a network that loses.
pub async fn hard() -> Result<String, String> {
    Ok(String::new())
}
