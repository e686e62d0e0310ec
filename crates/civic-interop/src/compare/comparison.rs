//! The replay of reads against two services.

use std::collections::BTreeSet;

use civic_progress::Progress;

use super::caller::Caller;
use super::differences::{Difference, Found, Values, differences};
use super::masked::Masked;
use super::options::CompareOptions;
use super::reads::{CORRELATION_ID, Read, reads_of, roll_reads, variants};
use super::target::Target;
use crate::wire::Request;

/// Compares the two services that the command line names; whether there was no difference.
pub(crate) async fn run(options: &CompareOptions) -> Result<bool, String> {
    let [node, rust] = options.targets()?;
    let (node, rust) = tokio::try_join!(node.reached(), rust.reached())?;
    let caller = Caller::from_env(|name| std::env::var(name).ok())?;
    let reads = match &options.reads {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            reads_of(&text).map_err(|error| format!("{}: {error}", file.display()))?
        }
        None => roll_reads(),
    };
    let mut reads = variants(&reads);
    reads.retain(|read| caller.has(read.credential));
    if let Caller::Stranger = caller {
        println!(
            "neither CIVIC_TOKEN nor JWT_SECRET is set: only answers to callers without a valid \
             token are compared"
        );
    }

    let progress = Progress::new();
    let (mut different, mut set_aside) = (0, BTreeSet::new());
    for (index, read) in reads.iter().enumerate() {
        progress.show(index as u64, reads.len() as u64, &read.path);
        let found = compare(&node, &rust, read, &caller, options.values()).await?;
        set_aside.extend(found.set_aside);
        if !found.differences.is_empty() {
            different += 1;
            progress.clear();
            println!("✗ {read}");
            for difference in found.differences {
                println!("    {difference}");
            }
        }
    }
    drop(progress);
    for header in set_aside {
        println!("not compared: {header}");
    }
    println!(
        "{} reads were replayed, {} were answered alike",
        reads.len(),
        reads.len() - different
    );
    Ok(different == 0)
}

/// Sends one read to both services and compares the answers.
///
/// # Errors
///
/// Fails if neither service answers: then nothing was compared.
pub(crate) async fn compare(
    node: &Target,
    rust: &Target,
    read: &Read,
    caller: &Caller,
    values: Values,
) -> Result<Found, String> {
    let token = caller.token(read.credential);
    let authorization = token.map(|token| format!("Bearer {token}"));
    let mut headers = Vec::new();
    if let Some(authorization) = &authorization {
        headers.push(("authorization", authorization.as_str()));
    }
    if read.sends_id {
        headers.push(("x-correlation-id", CORRELATION_ID));
    }
    let request = Request {
        method: read.method.as_str(),
        path: &read.path,
        headers: &headers,
        json: None,
    };
    let (from_node, from_rust) = tokio::join!(node.ask(&request), rust.ask(&request));
    match (from_node, from_rust) {
        (Ok(from_node), Ok(from_rust)) => Ok(differences(
            &Masked::new(&from_node, read.sends_id),
            &Masked::new(&from_rust, read.sends_id),
            values,
        )),
        (Err(from_node), Err(from_rust)) => Err(format!(
            "{read}: neither service answers. Node: {from_node}. Rust: {from_rust}"
        )),
        (Ok(answer), Err(error)) => Ok(Found::one(Difference::Answered {
            node: answer.status.to_string(),
            rust: error,
        })),
        (Err(error), Ok(answer)) => Ok(Found::one(Difference::Answered {
            node: error,
            rust: answer.status.to_string(),
        })),
    }
}
