//! A local network of a test's own: machines that are network namespaces of this one, joined by a bridge.
//! Nothing outside of them is touched, and nothing of them is left.
//!
//! It takes root (CAP_NET_ADMIN and CAP_SYS_ADMIN) and `ip` of iproute2.

// Each test uses a part of this.
#![expect(clippy::disallowed_methods, reason = "no other program tells us when it is ready")]
#![allow(dead_code, reason = "several tests share it, and each uses a part")]

use std::{
    fs::File,
    net::Ipv4Addr,
    os::fd::AsFd,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Machines on one bridge. They are gone when this is dropped.
pub struct Lan {
    hub: Namespace,
    pub machines: Vec<Machine>,
}

/// One of them.
pub struct Machine {
    namespace: Namespace,
    pub address: Ipv4Addr,
    /// The end of its cable at the bridge.
    port: String,
    hub: String,
}

struct Namespace(String);

impl Lan {
    /// As many machines, `10.77.0.1` and on, without any other network.
    pub fn new(machines: u8) -> Lan {
        let hub = Namespace::new("hub");
        hub.ip("link add name bridge type bridge mcast_snooping 0 forward_delay 0");
        hub.ip("link set bridge up");
        let machines: Vec<Machine> = (1..=machines).map(|n| Machine::new(&hub, n)).collect();
        machines.iter().for_each(Machine::wait_for_carrier);
        Lan { hub, machines }
    }

    /// The same, and one more that is apart from them, `10.78.N.1/24`: only through a relay at the hub it
    /// can call one of them, and nobody can call it.
    pub fn with_one_apart(machines: u8) -> Lan {
        let mut lan = Lan::new(machines);
        lan.hub.ip("address add 10.77.0.254/24 dev bridge");
        lan.hub.ip("link set lo up");
        let apart = Lan::apart_at(&lan.hub, machines + 1);
        apart.wait_for_carrier();
        lan.machines.push(apart);
        lan
    }

    /// Moves these machines of the bridge to another one, where they only reach each other.
    pub fn part(&self, machines: &[usize]) {
        self.hub.ip("link add name other type bridge mcast_snooping 0 forward_delay 0");
        self.hub.ip("link set other up");
        for machine in machines {
            self.hub.ip(&format!("link set {} master other", self.machines[*machine].port));
        }
    }

    /// Takes those back that were parted.
    pub fn heal(&self, machines: &[usize]) {
        for machine in machines {
            self.hub.ip(&format!("link set {} master bridge", self.machines[*machine].port));
        }
        self.hub.ip("link delete other");
    }

    /// As many machines, each in a network of its own, `10.78.1.1/24` and on, where nobody else is but the
    /// hub: what goes from one to another goes through a relay there, or not at all.
    pub fn apart(machines: u8) -> Lan {
        let hub = Namespace::new("hub");
        hub.ip("link set lo up");
        let machines: Vec<Machine> = (1..=machines).map(|n| Lan::apart_at(&hub, n)).collect();
        machines.iter().for_each(Machine::wait_for_carrier);
        Lan { hub, machines }
    }

    fn apart_at(hub: &Namespace, n: u8) -> Machine {
        let address = Ipv4Addr::new(10, 78, n, 1);
        let machine = Machine::at(hub, n, address);
        hub.ip(&format!("address add {}/24 dev port{n}", gateway(address)));
        hub.ip(&format!("link set port{n} up"));
        machine
    }

    /// Does something in a thread that is where all cables end.
    pub fn spawn_at_hub<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        self.hub.spawn(work)
    }
}

/// Where the hub is in the network of a machine that is apart.
pub fn gateway(machine: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = machine.octets();
    Ipv4Addr::new(a, b, c, 254)
}

impl Machine {
    fn new(hub: &Namespace, n: u8) -> Machine {
        let machine = Machine::at(hub, n, Ipv4Addr::new(10, 77, 0, n));
        hub.ip(&format!("link set {} master bridge up", machine.port));
        machine
    }

    /// A machine whose cable is not in yet.
    fn at(hub: &Namespace, n: u8, address: Ipv4Addr) -> Machine {
        let namespace = Namespace::new(&format!("m{n}"));
        let port = format!("port{n}");
        // Otherwise an address of IPv6 is not used until a second has passed (RFC 4862 section 5.4).
        namespace.run(&["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad"]);
        hub.ip(&format!("link add {port} type veth peer name eth0 netns {}", namespace.0));
        namespace.ip("link set lo up");
        namespace.ip(&format!("address add {address}/24 dev eth0"));
        namespace.ip("link set eth0 up");
        Machine { namespace, address, port, hub: hub.0.clone() }
    }

    /// The kernel says a little later that a cable is in.
    fn wait_for_carrier(&self) {
        for _ in 0..500 {
            if ip(&["-n", &self.namespace.0, "link", "show", "eth0"]).contains("state UP") {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the cable of {} is in, and the kernel does not say so", self.namespace.0);
    }

    /// What `ip` is told to run a program there, before that program's name.
    pub fn inside(&self) -> [String; 3] {
        ["netns", "exec", &self.namespace.0].map(str::to_owned)
    }

    /// Where `ip` is, for who has no PATH: it may be in a directory of the administrator's.
    pub fn ip_program(&self) -> String {
        let places = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip", "/bin/ip"];
        let found = places.into_iter().find(|place| std::path::Path::new(place).exists());
        found.expect("iproute2 is installed").to_owned()
    }

    /// Does something in a thread of this process that is there; what that thread starts is there too.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        self.namespace.spawn(work)
    }

    /// Pulls its cable.
    pub fn unplug(&self) {
        ip(&["-n", &self.hub, "link", "set", &self.port, "down"]);
    }

    /// Plugs it in again.
    pub fn plug(&self) {
        ip(&["-n", &self.hub, "link", "set", &self.port, "up"]);
    }
}

impl Namespace {
    fn new(role: &str) -> Namespace {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("djdns-{}-{count}-{role}", std::process::id());
        ip(&["netns", "add", &name]);
        Namespace(name)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let path = format!("/run/netns/{}", self.0);
        thread::spawn(move || {
            let file = File::open(&path).expect("a namespace that was made is there");
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(file.as_fd(), network)
                .expect("a thread moves into a namespace, which takes root");
            work()
        })
    }

    fn ip(&self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        ip(&[&["-n", &self.0][..], &words].concat());
    }

    fn run(&self, words: &[&str]) {
        ip(&[&["netns", "exec", &self.0][..], words].concat());
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is there belongs to nobody else; a failure leaves an empty namespace.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Runs `ip`, which must succeed; what it said.
fn ip(words: &[&str]) -> String {
    let output = Command::new("ip").args(words).output().unwrap_or_else(|error| {
        panic!("`ip` cannot be run ({error}): this test makes network namespaces, install iproute2")
    });
    assert!(
        output.status.success(),
        "`ip {}` failed: {}: this test makes network namespaces, which takes root and a kernel that has \
         them, with veth and bridges",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
