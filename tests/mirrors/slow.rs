//! A mirror that stops reading is let go of, and keeps nobody else waiting; one that asks for more behind a
//! transfer gets that too.

use djdns::{
    ambient,
    page::{name::Name, record::RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::sealed::{PATIENCE, Primary, Rows, axfr, key, signed};

/// More than the system holds for a reader.
const NAMES: usize = 600;
const LONG: usize = 60_000;

#[tokio::test(start_paused = true)]
async fn a_mirror_that_does_not_read_is_let_go_of() {
    let primary = Primary::start();
    let page = Name::parse("ct").expect("a name");
    let long = || vec![(RecordType(65_400), 60, vec![7; LONG])];
    let rows: Rows = (0..NAMES).map(|n| (format!("name-{n}"), long())).collect();
    primary.seal(&page, 1, &rows);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a size");
    let mut stream = socket.connect(primary.address).await.expect("it listens");
    let request = signed(axfr(&page), key(), ambient::now());
    let framed = [&(request.len() as u16).to_be_bytes()[..], &request].concat();
    stream.write_all(&framed).await.expect("it reads");
    // Time leaps when nothing else can happen: over the deadline of who does not read.
    tokio::time::sleep(3 * djdns::limits::DNS_TCP_MESSAGE).await;
    let mut taken = Vec::new();
    let _ = stream.read_to_end(&mut taken).await;
    assert!(taken.len() < NAMES * LONG, "it was closed before its end");
    assert!(taken.len() > 4096, "it began");
}

#[tokio::test]
async fn what_is_asked_behind_a_long_transfer_is_answered_also_where_nothing_more_is_said() {
    let primary = Primary::start();
    let page = Name::parse("ct").expect("a name");
    let long = || vec![(RecordType(65_400), 60, vec![7; LONG])];
    let rows: Rows = (0..8).map(|n| (format!("name-{n}"), long())).collect();
    primary.seal(&page, 1, &rows);
    let framed = |message: &[u8]| [&(message.len() as u16).to_be_bytes()[..], message].concat();
    let transfer = framed(&signed(axfr(&page), key(), ambient::now()));
    let question = framed(b"\x09\x09\x01\0\0\x01\0\0\0\0\0\0\x09localhost\0\0\x01\0\x01");
    for ends in [false, true] {
        let mut stream = TcpStream::connect(primary.address).await.expect("it listens");
        let asked = [&transfer[..], &question, &transfer, &question].concat();
        stream.write_all(&asked).await.expect("it reads");
        if ends {
            stream.shutdown().await.expect("it is open");
        }
        let (mut answers, mut octets) = (0, 0);
        while answers < 2 {
            let len = timeout(PATIENCE, stream.read_u16()).await.expect("more").expect("more");
            let mut message = vec![0; usize::from(len)];
            stream.read_exact(&mut message).await.expect("the rest");
            octets += message.len();
            answers += usize::from(message[..2] == [9, 9]);
        }
        assert!(octets > 2 * 8 * LONG);
    }
}
