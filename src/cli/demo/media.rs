//! The voice of the demo's phones: RTP packets of A-law silence, made and read by rtp-rs, end to end between the
//! phones' own sockets, as media flow in `bypass`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rtp_rs::{RtpPacketBuilder, RtpReader, Seq};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// A-law.
const PCMA: u8 = 8;
/// Samples in 20 ms at 8 kHz.
const SAMPLES: u32 = 160;
/// A-law's silence.
const SILENCE: [u8; SAMPLES as usize] = [0xD5; SAMPLES as usize];

/// One phone's ear and mouth.
#[derive(Clone)]
pub(super) struct Media {
    socket: Arc<UdpSocket>,
    port: u16,
    heard: Arc<Heard>,
    _ear: Arc<Ear>,
}

#[derive(Default)]
struct Heard {
    packets: AtomicU32,
    /// Of the last packet, to know who speaks.
    ssrc: AtomicU32,
}

struct Ear(JoinHandle<()>);

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Media {
    /// Binds a socket and listens.
    pub(super) async fn open() -> io::Result<Self> {
        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let port = socket.local_addr()?.port();
        let heard = Arc::<Heard>::default();
        let ear = tokio::spawn(listen(socket.clone(), heard.clone()));
        Ok(Self { socket, port, heard, _ear: Arc::new(Ear(ear)) })
    }

    /// The port that its SDP names.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Speaks for so many packets, one every 20 ms.
    pub(super) async fn speak(&self, to: SocketAddr, packets: u16) {
        let ssrc = u32::from(self.port);
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        for n in 0..packets {
            tick.tick().await;
            let packet = RtpPacketBuilder::new()
                .payload_type(PCMA)
                .marked(n == 0)
                .sequence(Seq::from(n))
                .timestamp(u32::from(n) * SAMPLES)
                .ssrc(ssrc)
                .payload(&SILENCE)
                .build();
            if let Ok(packet) = packet {
                // what is lost here is heard as lost there
                drop(self.socket.try_send_to(&packet, to));
            }
        }
    }

    /// How many packets came of this phone's.
    pub(super) fn heard_of(&self, other: &Self) -> u32 {
        let by_her = self.heard.ssrc.load(Ordering::Relaxed) == u32::from(other.port);
        if by_her { self.heard.packets.load(Ordering::Relaxed) } else { 0 }
    }
}

async fn listen(socket: Arc<UdpSocket>, heard: Arc<Heard>) {
    let mut buffer = [0_u8; 1_500];
    loop {
        let Ok((n, _)) = socket.recv_from(&mut buffer).await else { continue };
        if let Ok(packet) = RtpReader::new(&buffer[..n])
            && packet.payload_type() == PCMA
            && packet.payload().len() == SILENCE.len()
        {
            let before = heard.ssrc.swap(packet.ssrc(), Ordering::Relaxed);
            if before != packet.ssrc() {
                heard.packets.store(0, Ordering::Relaxed);
            }
            heard.packets.fetch_add(1, Ordering::Relaxed);
        }
    }
}
