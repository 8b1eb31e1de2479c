//! A scripted router over loopback: SSDP, its description, and SOAP.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What the router does when it is asked for a way.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    Kind,
    /// The port that is asked for is taken; it gives another.
    Taken,
    /// It wants no such thing.
    Refusing,
    /// It has only a private address itself.
    Behind,
    /// It takes connections and says nothing.
    Silent,
    /// It answers without end.
    Endless,
    /// It answers with rubbish.
    Rubbish,
}

/// A router, and what it was asked: the action and the outside port.
pub(crate) struct Router {
    pub routers: Routers,
    pub asked: Arc<Mutex<Vec<(String, String)>>>,
}

const OTHER_PORT: u16 = 4242;

pub(crate) async fn router(manner: Manner) -> Router {
    let ssdp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let search_at = ssdp.local_addr().unwrap();
    let location = http.local_addr().unwrap();
    tokio::spawn(async move {
        let mut packet = [0; 2048];
        while let Ok((_, from)) = ssdp.recv_from(&mut packet).await {
            let answer = match manner {
                Manner::Rubbish => "HTTP/1.1 200 OK\r\nLOCATION: \u{7f}nowhere\r\n\r\n".to_owned(),
                _ => format!("HTTP/1.1 200 OK\r\nLOCATION: http://{location}/root.xml\r\n\r\n"),
            };
            let _ = ssdp.send_to(answer.as_bytes(), from).await;
        }
    });
    let asked: Arc<Mutex<Vec<_>>> = Arc::default();
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = http.accept().await {
            tokio::spawn(answer(stream, manner, noted.clone()));
        }
    });
    let step_time = Duration::from_millis(700);
    let (renewed_after, retry) = (Duration::from_millis(50), Duration::from_millis(50));
    let trusted = vec![IpAddr::from([127, 0, 0, 1])];
    Router { routers: Routers { search_at, trusted, step_time, renewed_after, retry }, asked }
}

async fn answer(
    mut stream: TcpStream,
    manner: Manner,
    asked: Arc<Mutex<Vec<(String, String)>>>,
) -> Option<()> {
    let request = request(&mut stream).await?;
    if manner == Manner::Silent {
        return std::future::pending().await;
    }
    if manner == Manner::Endless {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").await.ok()?;
        while stream.write_all(&[b'x'; 65_536]).await.is_ok() {}
        return None;
    }
    let (status, body) = if request.starts_with("GET /root.xml") {
        ("200 OK", ROOT.to_owned())
    } else if request.starts_with("GET /scpd.xml") {
        ("200 OK", scpd())
    } else {
        let between = |from: &str, to: &str| {
            let after = request.split_once(from).map_or("", |(_, after)| after);
            after.split_once(to).map_or("", |(between, _)| between).to_owned()
        };
        let action = between("WANIPConnection:1#", "\"");
        let port = between("<NewExternalPort>", "<");
        asked.lock().unwrap().push((action.clone(), port));
        soap(&action, manner)
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()
}

/// A whole request, its head in front of its body.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if body.len() >= length.unwrap_or(0) {
            return Some(text);
        }
    }
}

fn soap(action: &str, manner: Manner) -> (&'static str, String) {
    let envelope = |body: String| {
        format!(
            "<?xml version=\"1.0\"?><s:Envelope \
             xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body>\
             </s:Envelope>"
        )
    };
    let done = |inner: &str| {
        let service = "urn:schemas-upnp-org:service:WANIPConnection:1";
        envelope(format!("<u:{action}Response xmlns:u=\"{service}\">{inner}</u:{action}Response>"))
    };
    let fault = |code: u16, words: &str| {
        envelope(format!(
            "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
             <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode>\
             <errorDescription>{words}</errorDescription></UPnPError></detail></s:Fault>"
        ))
    };
    let ip = if manner == Manner::Behind { "192.168.7.1" } else { "203.0.113.7" };
    match (action, manner) {
        ("GetExternalIPAddress", _) => {
            ("200 OK", done(&format!("<NewExternalIPAddress>{ip}</NewExternalIPAddress>")))
        }
        ("AddPortMapping", Manner::Taken) => {
            ("500 Internal Server Error", fault(718, "ConflictInMappingEntry"))
        }
        ("AddPortMapping" | "AddAnyPortMapping", Manner::Refusing) => {
            ("500 Internal Server Error", fault(606, "Action not authorized"))
        }
        ("AddAnyPortMapping", _) => {
            ("200 OK", done(&format!("<NewReservedPort>{OTHER_PORT}</NewReservedPort>")))
        }
        _ => ("200 OK", done("")),
    }
}

const ROOT: &str = "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
    <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList>\
    <service><serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
    <SCPDURL>/scpd.xml</SCPDURL><controlURL>/control</controlURL></service></serviceList></device>\
    </root>";

fn scpd() -> String {
    let all = [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let action = |name: &str, arguments: &[&str]| {
        let argument = |name: &&str| {
            format!("<argument><name>{name}</name><direction>in</direction></argument>")
        };
        let arguments: String = arguments.iter().map(argument).collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    format!(
        "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList>\
         {}{}{}{}</actionList></scpd>",
        action("GetExternalIPAddress", &[]),
        action("AddPortMapping", &all),
        action("AddAnyPortMapping", &all),
        action("DeletePortMapping", &all[..3]),
    )
}

/// A socket of this machine, of which only the address counts here.
fn socket() -> SocketAddr {
    "127.0.0.1:31415".parse().unwrap()
}

async fn state_with(manner: Manner) -> (State, Router) {
    let router = router(manner).await;
    let mut mapping = Mapping::keep(socket(), router.routers.clone());
    // The router may have answered before anybody looks.
    let state = match mapping.state() {
        State::Asking => mapping.changed().await,
        state => state,
    };
    mapping.give_back().await;
    (state, router)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_is_asked_for_renewed_and_given_back() {
    let router = router(Manner::Kind).await;
    let mut mapping = Mapping::keep(socket(), router.routers.clone());
    assert_eq!(mapping.changed().await, State::At("203.0.113.7:31415".parse().unwrap()));
    let asked = |action: &str| {
        let asked = router.asked.lock().unwrap();
        asked.iter().filter(|(a, port)| a == action && port == "31415").count()
    };
    while asked("AddPortMapping") < 3 {
        tokio::task::yield_now().await;
    }
    assert_eq!(mapping.state(), State::At("203.0.113.7:31415".parse().unwrap()));
    mapping.give_back().await;
    assert_eq!(asked("DeletePortMapping"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_port_is_taken_where_the_same_one_is_not_free() {
    let (state, router) = state_with(Manner::Taken).await;
    assert_eq!(state, State::At(format!("203.0.113.7:{OTHER_PORT}").parse().unwrap()));
    let last = router.asked.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("DeletePortMapping".to_owned(), OTHER_PORT.to_string())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_router_that_does_not_help_is_named_and_costs_nothing() {
    let check = async |manner: Manner, expect: &str| {
        let State::None(why) = state_with(manner).await.0 else { panic!("a way was found") };
        assert!(why.to_string().contains(expect), "{why}");
    };
    check(Manner::Refusing, "refuses").await;
    check(Manner::Behind, "but 192.168.7.1").await;
    check(Manner::Silent, "no router").await;
    check(Manner::Endless, "no router").await;
    check(Manner::Rubbish, "no router").await;
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut routers = router(Manner::Kind).await.routers;
    routers.search_at = nobody.local_addr().unwrap();
    let mut mapping = Mapping::keep(socket(), routers);
    assert_eq!(mapping.changed().await, State::None(NoMapping::NoRouter));
}

#[test]
fn addresses_that_nobody_outside_reaches_are_known() {
    let check = |ip: &str, outside: bool| {
        assert_eq!(is_outside(ip.parse().unwrap()), outside, "{ip}");
    };
    check("203.0.113.7", true);
    check("100.63.255.255", true);
    check("100.64.0.1", false);
    check("10.1.2.3", false);
    check("172.16.0.1", false);
    check("192.168.0.1", false);
    check("169.254.0.1", false);
    check("127.0.0.1", false);
    check("0.0.0.0", false);
    check("2001:db8::1", false);
}
