//! A real Slurm on this machine: munged, slurmctld and slurmd, as root, with a folder of their own.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "for tests, which fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A cluster of this machine, gone when dropped.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    daemons: Vec<(&'static str, Child)>,
}

impl Cluster {
    /// Starts one whose files lie in `folder`, and waits until its node is idle.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        for name in ["state", "spool"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let key = folder.join("munge.key");
        fs::write(&key, [7; 1024]).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o400)).unwrap();
        let host = text(Command::new("hostname").arg("-s"));
        let [control_port, node_port] = [(); 2].map(|()| free_port());
        let at = |name: &str| folder.join(name).display().to_string();
        let settings = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmctldPort={control_port}\n\
             SlurmdPort={node_port}\nAuthType=auth/munge\nAuthInfo=socket={}\nStateSaveLocation={}\n\
             SlurmdSpoolDir={}\nSlurmctldPidFile={}\nSlurmdPidFile={}\nProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\nMailProg=/bin/true\nReturnToService=2\n\
             SchedulerParameters=sched_interval=1,batch_sched_delay=0\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs={} State=UNKNOWN\n\
             PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP\n",
            at("munge.socket"),
            at("state"),
            at("spool"),
            at("slurmctld.pid"),
            at("slurmd.pid"),
            std::thread::available_parallelism().unwrap(),
        );
        fs::write(folder.join("slurm.conf"), settings).unwrap();
        let mut cluster = Self { folder: folder.to_owned(), daemons: Vec::new() };
        let munge = ["key-file", "socket", "pid-file", "log-file", "seed-file"];
        let names = ["munge.key", "munge.socket", "munge.pid", "munge.log", "munge.seed"];
        let mut munged = Command::new("/usr/sbin/munged");
        munged.args(["--foreground", "--force"]);
        munged.args(munge.iter().zip(names).map(|(flag, name)| format!("--{flag}={}", at(name))));
        cluster.run("munged", &mut munged);
        cluster.wait_for("munge.socket", |cluster| cluster.folder.join("munge.socket").exists());
        cluster.run("slurmctld", Command::new("/usr/sbin/slurmctld").args(["-D", "-c"]));
        cluster.run("slurmd", Command::new("/usr/sbin/slurmd").args(["-D"]));
        cluster.wait_for("an idle node", |cluster| {
            let states = cluster.command("sinfo").args(["-h", "-o", "%T"]).output().unwrap();
            String::from_utf8_lossy(&states.stdout).trim() == "idle"
        });
        cluster
    }

    /// `program` of Slurm, for this cluster.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
        command
    }

    fn run(&mut self, name: &'static str, command: &mut Command) {
        let log = fs::File::create(self.folder.join(format!("{name}.out"))).unwrap();
        command.env("SLURM_CONF", self.folder.join("slurm.conf")).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemons.push((name, command.spawn().unwrap()));
    }

    fn wait_for(&mut self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !is_there(self) {
            let ended = self.daemons.iter_mut().find_map(|(name, child)| {
                child.try_wait().unwrap().map(|status| format!("{name} ended: {status}"))
            });
            let late = started.elapsed() > Duration::from_mins(1);
            assert!(ended.is_none() && !late, "no {what}: {ended:?}\n{}", self.logs());
            sleep(Duration::from_millis(100));
        }
    }

    /// What its programs said.
    #[must_use]
    pub fn logs(&self) -> String {
        self.daemons.iter().fold(String::new(), |mut all, (name, _)| {
            let log = fs::read_to_string(self.folder.join(format!("{name}.out"))).unwrap_or_default();
            let _ = writeln!(all, "{name}:\n{log}");
            all
        })
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The other way round: a node tells its controller.
        for (_, child) in self.daemons.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn text(command: &mut Command) -> String {
    String::from_utf8(command.output().unwrap().stdout).unwrap().trim().to_owned()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
