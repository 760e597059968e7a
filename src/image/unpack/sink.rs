//! The ends of a layer's download that feed the extractor.

use super::feed::{Socket, ToWorker};
use crate::error::{Error, Result};
use crate::image::{BlobWriter, Digest, Store, Turn, Watch};
use std::io::Write;

/// Who brings a layer's blob; see [`super::Unpacker::sink`].
#[derive(Debug)]
pub enum Sink<'u> {
    /// It is in the store.
    Here,
    /// The caller, from byte [`LayerSink::written`] on.
    Mine(LayerSink<'u>),
    /// Another process, just now.
    Other(LayerWatch<'u>),
}

/// A layer that another process downloads, and we extract meanwhile.
#[derive(Debug)]
pub struct LayerWatch<'u> {
    pub(super) store: &'u Store,
    /// None once the end is known.
    pub(super) watch: Option<Watch>,
    pub(super) socket: Option<&'u Socket>,
    pub(super) index: usize,
    pub(super) size: u64,
    pub(super) seen: u64,
}

/// How a [`LayerWatch`] goes on.
#[derive(Debug)]
pub enum Waited<'u> {
    /// So many bytes are there; ask again later.
    Growing(u64, LayerWatch<'u>),
    /// The blob is complete.
    Here,
    /// The other process gave up: the caller goes on.
    Mine(LayerSink<'u>),
    /// Ask for a sink anew.
    Gone,
}

impl<'u> LayerWatch<'u> {
    /// Looks how far the other process is, and tells the extractor.
    pub fn look(mut self) -> Result<Waited<'u>> {
        let Some(watch) = self.watch.take() else { return Ok(Waited::Gone) };
        let tell = |news: ToWorker| {
            if let Some(socket) = self.socket {
                socket.send(&news);
            }
        };
        let index = self.index;
        match self.store.watch(watch)? {
            Turn::Growing(bytes, watch) => {
                if bytes != self.seen {
                    tell(ToWorker::Grow { index });
                    self.seen = bytes;
                }
                self.watch = Some(watch);
                Ok(Waited::Growing(bytes, self))
            }
            Turn::Here => {
                tell(ToWorker::End { index, size: self.size });
                Ok(Waited::Here)
            }
            Turn::Gone => {
                tell(ToWorker::Abort { index });
                Ok(Waited::Gone)
            }
            Turn::Mine(mut writer) => {
                writer.catch_up()?;
                tell(ToWorker::Grow { index });
                let announced = writer.written();
                Ok(Waited::Mine(LayerSink { writer: Some(writer), socket: self.socket, index, announced }))
            }
        }
    }
}

impl Drop for LayerWatch<'_> {
    fn drop(&mut self) {
        if let (Some(_), Some(socket)) = (&self.watch, self.socket) {
            socket.send(&ToWorker::Abort { index: self.index });
        }
    }
}

/// Where a download writes its bytes. Dropping it uncommitted keeps them, and another sink for the same layer goes on
/// after them.
#[derive(Debug)]
pub struct LayerSink<'u> {
    /// None after the commit.
    pub(super) writer: Option<BlobWriter>,
    pub(super) socket: Option<&'u Socket>,
    pub(super) index: usize,
    pub(super) announced: u64,
}

/// The extractor is told of new bytes at this step, not at each write.
const STEP: u64 = 128 << 10;

impl LayerSink<'_> {
    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.writer.as_ref().map_or(0, BlobWriter::written)
    }

    /// Throws away what was written: it can't be the layer.
    pub fn discard(mut self) {
        if let Some(writer) = self.writer.take() {
            writer.discard();
        }
        self.abort();
    }

    fn abort(&self) {
        if let Some(socket) = self.socket {
            socket.send(&ToWorker::Abort { index: self.index });
        }
    }

    /// Verifies digest and size and makes the blob visible; the extraction may still be under way.
    pub fn commit(mut self) -> Result<Digest> {
        let writer = self.writer.take().ok_or_else(|| Error::bug("commit a layer twice"))?;
        let size = writer.written();
        let done = writer.commit();
        if let Some(socket) = self.socket {
            match &done {
                Ok(_) => socket.send(&ToWorker::End { index: self.index, size }),
                Err(_) => socket.send(&ToWorker::Abort { index: self.index }),
            }
        }
        done
    }
}

impl Write for LayerSink<'_> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let writer = self.writer.as_mut().ok_or_else(|| Error::bug("write to a committed layer"))?;
        let n = writer.write(buf)?;
        if let Some(socket) = self.socket
            && writer.written() - self.announced >= STEP
        {
            self.announced = writer.written();
            socket.try_send(&ToWorker::Grow { index: self.index });
        }
        Ok(n)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for LayerSink<'_> {
    fn drop(&mut self) {
        if self.writer.is_some() {
            self.abort();
        }
    }
}
