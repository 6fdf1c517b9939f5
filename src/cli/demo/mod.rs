//! `ramal demo`: the real server on loopback, real phones on real sockets, seven showcase calls, and what each
//! promises checked against the CRM's rows.

mod bank;
mod media;
mod print;
mod scenes;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use print::Printer;
use stage::{NoStage, Scene, Stage};

use crate::http::{Shared, server};

use super::out::say;

/// Runs the demo; success only if every call and every row came out as promised.
pub fn run(keep: bool) -> ExitCode {
    match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(demo(keep)),
        Err(error) => {
            eprintln!("the demo could not be set up: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(keep: bool) -> ExitCode {
    let folder = std::env::temp_dir().join(format!("ramal-demo-{}", std::process::id()));
    let code = match play(folder.clone(), keep).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(broken) => {
            eprintln!("{broken} promises were not kept; the ladders above show where");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("the demo could not be set up: {why}");
            ExitCode::FAILURE
        }
    };
    if let Err(error) = std::fs::remove_dir_all(&folder) {
        eprintln!("{} is left behind: {error}", folder.display());
    }
    code
}

/// Plays all scenes; gives how many promises were broken.
async fn play(folder: PathBuf, keep: bool) -> Result<usize, NoStage> {
    let began = tokio::time::Instant::now();
    std::fs::create_dir_all(&folder)?;
    let printer = Printer::new();
    let mut stage = Stage::set(folder).await?;
    say!("ramal demo: a carrier, an office of three, and the embedded CRM, on loopback");
    say!("listening on {}, everything in {}", stage.handle().listening()[0].1, stage.folder().display());
    let mut broken = 0;
    macro_rules! play {
        ($($scene:ident),*) => {
            $(
                let scene = scenes::$scene(&mut stage).await;
                broken += show(&stage, printer, &scene).await;
            )*
        };
    }
    play!(known_caller, new_caller, transfer_of_a_lead, transfer_of_a_client, two_at_once, exception, crm_cut_off);
    printer.title("What the CRM has now");
    for found in stage.rows().await {
        printer.rows(&found);
    }
    let took = began.elapsed();
    say!();
    if broken == 0 {
        say!("every call and every row came out as promised, in {:.1} s", took.as_secs_f64());
    }
    if keep {
        stay(&stage).await?;
    }
    stage.strike().await;
    Ok(broken)
}

async fn show(stage: &Stage, printer: Printer, scene: &Scene) -> usize {
    printer.title(scene.title);
    // the last answer of a call is on its way while the phones are already through
    tokio::time::sleep(Duration::from_millis(30)).await;
    for ladder in stage.ladders(scene).await {
        printer.ladder(&ladder);
        say!();
    }
    for (text, kept) in scene.promises() {
        printer.promise(text, *kept);
    }
    scene.promises().iter().filter(|(_, kept)| !kept).count()
}

/// Stays up with the API and the socket for the commands, until Ctrl-C.
async fn stay(stage: &Stage) -> Result<(), NoStage> {
    let shared = Shared::new(stage.handle().clone(), None);
    let (address, api) = server::listen(SocketAddr::from(([127, 0, 0, 1], 0)), &shared).await?;
    let control = server::listen_control(&stage.folder().join(stage::CONTROL), &shared)?;
    let folder = stage.folder().display();
    say!("the server stays up until Ctrl-C: http://{address}/metrics");
    say!("ask it: ramal --config {folder}/ramal.toml calls");
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("no signals here, so the demo ends: {error}");
    }
    shared.close();
    api.ended().await;
    control.ended().await;
    Ok(())
}
