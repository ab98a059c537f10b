//! Who takes the rows of a table.

use std::ops::ControlFlow;

use crate::error::Result;

/// Takes rows one after another.
pub(super) trait RowSink: Send + 'static {
    /// Takes a row of one of the table's parts, without the newline at its end. Break where no more are wanted.
    fn row(&mut self, part: usize, row: &[u8]) -> Result<ControlFlow<()>>;

    /// All rows came, and are those that were backed up.
    fn end(&mut self) -> Result<ControlFlow<()>>;
}
