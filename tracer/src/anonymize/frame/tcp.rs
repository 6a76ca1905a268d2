//! The TCP header, and what may stay after it.

use super::super::{head, proxied};
use super::{Frame, Stop, Walk};

impl Frame<'_> {
    pub(super) fn tcp(&mut self) -> Walk<()> {
        let mut head = self.head::<20>()?;
        let header = usize::from(head[12] >> 4) * 4;
        if header < 20 || self.wire < header {
            return Err(Stop::Blank);
        }
        let ports = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_be_bytes);
        // A sum over the payload tells of it.
        head[16..18].fill(0);
        self.put(&head);
        let _ = self.pass(20);
        let options = self.end.min(self.at + header - 20);
        clear_options(&mut self.data[self.at..options]);
        let _ = self.pass(options - self.at);
        let proxied = proxied::keep(self.mapping, &mut self.data[self.at..self.end]);
        self.crowded |= proxied.crowded;
        let _ = self.pass(proxied.length);
        let kept = if self.settings.keep_headers {
            head::keep(self.mapping, &mut self.data[self.at..self.end])
        } else {
            0
        };
        let kept = kept.max(head::telling(&self.data[self.at..self.end], ports));
        let _ = self.pass(kept);
        Ok(())
    }
}

/// Keeps the options that are numbers of TCP: the maximum segment size, window scale, selective
/// acknowledgments and timestamps. Others may hold addresses (MPTCP, RFC 8684 section 3.4.1), cookies
/// and signatures: no-operations stand in for them.
fn clear_options(mut options: &mut [u8]) {
    loop {
        match *options {
            [1, ref mut rest @ ..] => options = rest,
            [kind, length, ..]
                if kind > 1 && length > 1 && usize::from(length) <= options.len() =>
            {
                let (option, rest) = options.split_at_mut(usize::from(length));
                let known = matches!((kind, length), (2, 4) | (3, 3) | (4, 2) | (5, _) | (8, 10));
                if !known {
                    option.fill(1);
                }
                options = rest;
            }
            // The end, or what makes no sense: nothing after it is read.
            _ => return options.fill(0),
        }
    }
}
