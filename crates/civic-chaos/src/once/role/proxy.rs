//! A proxy between a caller and a service, which misbehaves by itself: `proxy PORT SERVICE SEED`.

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use civic_testkit::proxy::{Fault, FaultProxy};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::output::{LISTENING, print};
use crate::random::Random;

const FAULTS: [Fault; 4] = [
    // Requests are executed, and their replies lost.
    Fault::DropReply,
    Fault::DropReply,
    Fault::Reset,
    Fault::Delay(Duration::from_millis(100)),
];

pub(super) async fn run(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [port, service, seed] = arguments else {
        return Err("proxy needs a port, an address and a seed".into());
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse()?)).await?;
    let proxy = FaultProxy::on(listener, service.parse()?);
    print(&json!({"event": LISTENING}))?;
    // Each life of the proxy is another one.
    let mut random = Random::new(seed.parse::<u64>()? ^ u64::from(std::process::id()));
    loop {
        sleep(Duration::from_millis(random.between(200, 1500))).await;
        proxy.set(FAULTS[random.index(FAULTS.len())]);
        sleep(Duration::from_millis(random.between(20, 300))).await;
        proxy.set(Fault::Pass);
    }
}
