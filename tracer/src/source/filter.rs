//! Filters in pcap syntax, compiled by libpcap for the link type of each interface.

use pcap::{BpfProgram, Capture, Linktype};

use crate::decode::LinkType;

/// Why a filter cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot compile the filter '{filter}': {reason}; see man pcap-filter")]
pub struct FilterError {
    filter: String,
    reason: String,
}

/// A filter such as `tcp port 8080`.
///
/// It sees what was captured: on frames cut by a snap length, `len` is the captured length.
pub struct Filter {
    expression: String,
    programs: Vec<(LinkType, BpfProgram)>,
}

impl Filter {
    /// Checks the expression.
    ///
    /// # Errors
    ///
    /// Where libpcap does not accept it.
    pub fn new(expression: &str) -> Result<Self, FilterError> {
        let mut filter = Self {
            expression: expression.to_owned(),
            programs: Vec::new(),
        };
        filter.compile(LinkType::Ethernet)?;
        Ok(filter)
    }

    /// Whether a frame of that link type passes.
    ///
    /// # Errors
    ///
    /// Where the expression has no meaning for the link type, as `vlan` on raw IP.
    pub fn passes(&mut self, link: LinkType, data: &[u8]) -> Result<bool, FilterError> {
        let known = self
            .programs
            .iter()
            .position(|(compiled, _)| *compiled == link);
        let index = match known {
            Some(index) => index,
            None => self.compile(link)?,
        };
        Ok(self.programs[index].1.filter(data))
    }

    fn compile(&mut self, link: LinkType) -> Result<usize, FilterError> {
        let number = i32::try_from(link.dlt()).unwrap_or(i32::MAX);
        let program = Capture::dead(Linktype(number))
            .and_then(|capture| capture.compile(&self.expression, true))
            .map_err(|error| FilterError {
                filter: self.expression.clone(),
                reason: error.to_string(),
            })?;
        self.programs.push((link, program));
        Ok(self.programs.len() - 1)
    }
}
