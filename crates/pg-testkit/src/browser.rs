//! A page in headless Chromium: what it says, asks for and looks like.
//!
//! The browser is spoken to over its debugging pipe (file descriptors 3 and 4, JSON messages that end with a
//! zero byte), so nothing but the browser itself is needed.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_mins(1);

/// An installed Chromium.
#[derive(Debug, Clone)]
pub struct Browser {
    executable: PathBuf,
}

/// How the page is shown.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Width of the window, in CSS pixels.
    pub width_px: u32,
    /// True for a reader who prefers dark pages.
    pub dark: bool,
}

/// What was seen of a page.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Console messages, uncaught exceptions and the browser's own complaints.
    pub messages: Vec<String>,
    /// Addresses asked for, other than `data:`; the first is the page itself.
    pub requests: Vec<String>,
    /// `naturalWidth` of every `img`: 0 where the picture cannot be shown.
    pub picture_widths_px: Vec<u64>,
    /// Every row of every table: the texts of its cells, as they are shown.
    pub table_rows: Vec<Vec<String>>,
    /// Width of the whole page; more than the window's when it must be scrolled sideways.
    pub scroll_width_px: u32,
    /// The whole page as a PNG file.
    pub screenshot: Vec<u8>,
}

impl Browser {
    /// The first Chromium or Chrome on the search path.
    #[must_use]
    pub fn find() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
        let candidates = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        candidates.into_iter().find(|path| path.is_file()).map(|executable| Self { executable })
    }

    /// Opens the file `page` and waits until it has loaded.
    ///
    /// # Panics
    /// When the browser does not start, or says nothing for a minute.
    #[must_use]
    pub fn look_at(&self, page: &Path, view: View) -> Seen {
        let page = page.canonicalize().expect("a page");
        let mut session = Session::start(&self.executable);
        session.open(&format!("file://{}", page.display()), view)
    }
}

/// A running browser; ended when dropped.
struct Session {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    /// Of the page; empty until it is attached.
    id: String,
    last_command: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Session {
    fn start(executable: &Path) -> Self {
        let profile = TempDir::new().expect("a temporary folder");
        // The shell moves its own input and output to where the browser looks for them.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(executable)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the browser starts");
        let commands = child.stdin.take().expect("a pipe to the browser");
        let messages = read_in_background(child.stdout.take().expect("a pipe from the browser"));
        let (id, events) = (String::new(), Vec::new());
        Self { child, commands, messages, id, last_command: 0, events, _profile: profile }
    }

    fn open(&mut self, address: &str, view: View) -> Seen {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach);
        self.id = attached["sessionId"].as_str().map(str::to_owned).expect("a session");
        for domain in ["Page", "Network", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({ "width": view.width_px, "height": 800, "deviceScaleFactor": 1, "mobile": view.width_px < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if view.dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
        self.events.clear();
        self.call("Page.navigate", json!({ "url": address }));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let message = self.receive();
            self.events.push(message);
        }
        let widths = self.evaluate("Array.from(document.images, image => image.naturalWidth)");
        let rows = "Array.from(document.querySelectorAll('tr'), row => Array.from(row.cells, cell => cell.innerText))";
        let rows = self.evaluate(rows);
        let scroll_width = self.evaluate("document.documentElement.scrollWidth");
        let screenshot = json!({ "format": "png", "captureBeyondViewport": true });
        let screenshot = self.call("Page.captureScreenshot", screenshot);
        let requests = self.of_kind("Network.requestWillBeSent", |e| e["request"]["url"].as_str());
        let logged = self.of_kind("Log.entryAdded", |e| e["entry"]["text"].as_str());
        let thrown = self.of_kind("Runtime.exceptionThrown", |e| e["exceptionDetails"]["text"].as_str());
        let printed = self.of_kind("Runtime.consoleAPICalled", |e| e["type"].as_str());
        Seen {
            messages: [logged, thrown, printed].concat(),
            requests: requests.into_iter().filter(|address| !address.starts_with("data:")).collect(),
            picture_widths_px: widths.as_array().into_iter().flatten().filter_map(Value::as_u64).collect(),
            table_rows: rows.as_array().into_iter().flatten().map(texts).collect(),
            scroll_width_px: scroll_width.as_u64().and_then(|w| w.try_into().ok()).unwrap_or(u32::MAX),
            screenshot: from_base64(screenshot["data"].as_str().unwrap_or_default()),
        }
    }

    fn of_kind(&self, method: &str, text: impl Fn(&Value) -> Option<&str>) -> Vec<String> {
        let events = self.events.iter().filter(|event| event["method"] == method);
        events.map(|event| text(&event["params"]).unwrap_or(method).to_owned()).collect()
    }

    fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", parameters)["result"]["value"].take()
    }

    /// Sends a command and waits for its answer; events on the way are kept.
    #[allow(clippy::needless_pass_by_value, reason = "each caller makes them for this call")]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last_command += 1;
        let mut command = json!({ "id": self.last_command, "method": method, "params": parameters });
        if !self.id.is_empty() {
            command["sessionId"] = self.id.as_str().into();
        }
        let mut bytes = command.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).expect("the browser listens");
        loop {
            let mut message = self.receive();
            if message["id"] == self.last_command {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.events.push(message);
        }
    }

    fn receive(&self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("a message of the browser within a minute")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Asked first, so that it takes its own processes along.
        let _ = self.commands.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_in_background(pipe: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
            bytes.pop();
            let Ok(message) = serde_json::from_slice(&bytes) else { break };
            bytes.clear();
            if sender.send(message).is_err() {
                break;
            }
        }
    });
    receiver
}

fn texts(array: &Value) -> Vec<String> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn from_base64(text: &str) -> Vec<u8> {
    let digit = |c: u8| -> Option<u32> {
        Some(u32::from(match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        }))
    };
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for d in text.bytes().filter_map(digit) {
        bits = bits << 6 | d;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
