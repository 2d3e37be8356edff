//! The script in ubusd's place: what it says word by word, and short forms of what it always says.

use bytes::BytesMut;
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Blobmsg, Client, Subscription, frame, from_blobmsg, to_blobmsg};

pub(crate) struct Peer<S = DuplexStream> {
    stream: S,
    input: BytesMut,
    next_id: u32,
}

/// A client and its peer, which has greeted.
pub(crate) async fn pair() -> (Client, Peer) {
    pair_of(1 << 16).await
}

/// The stream holds so many bytes in each direction.
pub(crate) async fn pair_of(capacity: usize) -> (Client, Peer) {
    let (ours, theirs) = tokio::io::duplex(capacity);
    let (client, driver) = tokio_ubus::over(ours);
    tokio::spawn(driver.run());
    let mut peer = Peer::new(theirs);
    peer.greet().await;
    client.connected().wait_for(|connected| *connected).await.unwrap();
    (client, peer)
}

/// A client that subscribes to object 7, `thing`, with subscriber 101.
pub(crate) async fn subscribed(subscription: impl FnOnce(&Client) -> Subscription) -> (Client, Peer, Subscription) {
    let (client, mut peer) = pair().await;
    let mut heard = subscription(&client);
    peer.grant_watch().await;
    peer.grant_subscription("thing", 7).await;
    heard.next().await.unwrap();
    (client, peer, heard)
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, input: BytesMut::new(), next_id: 100 }
    }

    pub(crate) async fn greet(&mut self) {
        self.say(Kind::Hello, 0, 0x1234, []).await;
    }

    pub(crate) async fn say<'a>(
        &mut self,
        kind: Kind,
        seq: u16,
        peer: u32,
        attributes: impl IntoIterator<Item = Attribute<'a>>,
    ) {
        self.say_bytes(&bytes(kind, seq, peer, attributes)).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        assert!(self.try_say(bytes).await, "it has hung up");
    }

    /// False when it has hung up.
    pub(crate) async fn try_say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// The next message, which must come soon.
    pub(crate) async fn hear(&mut self) -> Message {
        timeout(SOON, self.read()).await.expect("nothing is said").expect("it has hung up")
    }

    pub(crate) async fn expect(&mut self, kind: Kind) -> Message {
        let message = self.hear().await;
        assert_eq!(message.kind, kind, "{message:?}");
        message
    }

    pub(crate) async fn expect_nothing(&mut self) {
        let heard = timeout(Duration::from_secs(1), self.read()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(crate) async fn expect_end(&mut self) {
        while timeout(SOON, self.read()).await.expect("it does not hang up").is_some() {}
    }

    /// DATA and STATUS for a request.
    pub(crate) async fn answer(&mut self, to: &Message, data: &Value) {
        let data = to_blobmsg(data).unwrap();
        self.say(Kind::Data, to.seq, to.peer, [Attribute::Object(to.peer), Attribute::Data(data.as_bytes())]).await;
        self.status(to, 0).await;
    }

    pub(crate) async fn status(&mut self, to: &Message, status: u32) {
        self.say(Kind::Status, to.seq, to.peer, [Attribute::Status(status)]).await;
    }

    /// ADD_OBJECT is granted: the object gets the next id, from 100 on.
    pub(crate) async fn grant_object(&mut self) -> (Message, u32) {
        let message = self.expect(Kind::AddObject).await;
        let id = self.next_id;
        self.next_id += 1;
        self.say(Kind::Data, message.seq, 0, [Attribute::Object(id)]).await;
        self.status(&message, 0).await;
        (message, id)
    }

    /// The first subscription wants to know which objects come and go: object 100 hears it.
    pub(crate) async fn grant_watch(&mut self) -> u32 {
        let (_, id) = self.grant_object().await;
        for pattern in ["ubus.object.add", "ubus.object.remove"] {
            let message = self.expect_register().await;
            assert_eq!(message.1, pattern);
            self.status(&message.0, 0).await;
        }
        id
    }

    pub(crate) async fn expect_register(&mut self) -> (Message, String) {
        let message = self.expect(Kind::Invoke).await;
        assert_eq!((message.object(), message.method()), (Some(1), Some("register")));
        let data = message.data().unwrap().unwrap();
        let pattern = data.get("pattern").unwrap().as_str().unwrap().to_owned();
        (message, pattern)
    }

    /// The look-up of one object, its subscriber, the subscription.
    pub(crate) async fn grant_subscription(&mut self, path: &str, id: u32) -> u32 {
        let message = self.expect(Kind::Lookup).await;
        assert_eq!(message.path(), Some(path));
        self.found(&message, path, id).await;
        self.status(&message, 0).await;
        self.grant_subscriber(id).await
    }

    pub(crate) async fn found(&mut self, to: &Message, path: &str, id: u32) {
        let attributes = [Attribute::Path(path), Attribute::Object(id), Attribute::Type(1), Attribute::Signature(&[])];
        self.say(Kind::Data, to.seq, to.peer, attributes).await;
    }

    pub(crate) async fn grant_subscriber(&mut self, id: u32) -> u32 {
        let (_, own) = self.grant_object().await;
        let message = self.expect(Kind::Subscribe).await;
        assert_eq!((message.object(), message.target()), (Some(own), Some(id)));
        self.status(&message, 0).await;
        own
    }

    /// Calls an object of the client, or notifies a subscriber of it and waits for its answer.
    pub(crate) async fn invoke(&mut self, seq: u16, object: u32, method: &str, data: &Value) {
        let data = to_blobmsg(data).unwrap();
        let attributes = [
            Attribute::Object(object),
            Attribute::Method(method),
            Attribute::User("root"),
            Attribute::Group("root"),
            Attribute::Data(data.as_bytes()),
        ];
        self.say(Kind::Invoke, seq, CALLER, attributes).await;
    }

    /// Notifies a subscriber, and wants no answer.
    pub(crate) async fn notify(&mut self, object: u32, kind: &str, data: &Value) {
        let data = to_blobmsg(data).unwrap();
        let attributes = [
            Attribute::NoReply(1),
            Attribute::Object(object),
            Attribute::Method(kind),
            Attribute::Data(data.as_bytes()),
        ];
        self.say(Kind::Invoke, 9, CALLER, attributes).await;
    }

    pub(crate) async fn event(&mut self, object: u32, name: &str, data: &Value) {
        let data = to_blobmsg(data).unwrap();
        let attributes = [Attribute::Object(object), Attribute::Method(name), Attribute::Data(data.as_bytes())];
        self.say(Kind::Invoke, 17, 0, attributes).await;
    }

    /// The client's answer to what [`invoke`](Self::invoke) asked.
    pub(crate) async fn expect_status(&mut self, seq: u16, object: u32, status: u32) {
        let message = self.expect(Kind::Status).await;
        assert_eq!((message.seq, message.peer), (seq, CALLER), "{message:?}");
        assert_eq!((message.object(), message.status()), (Some(object), Some(status)));
    }

    /// Notifies and wants answers, which it never reads.
    pub(crate) async fn ask_until_it_hangs_up(&mut self, object: u32) {
        let asking = bytes(Kind::Invoke, 5, CALLER, [Attribute::Object(object), Attribute::Method("asked")]);
        while self.try_say(&asking).await {}
    }

    /// Until the client has read all that was said: it is asked to call, and answered.
    pub(crate) async fn settled(&mut self, client: &Client) {
        let call = client.invoke(7, "settle", Blobmsg::new(), None, SOON);
        let script = async {
            let call = self.expect(Kind::Invoke).await;
            self.status(&call, 0).await;
        };
        tokio::join!(call, script).0.unwrap();
    }

    async fn read(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = frame::decode(&mut self.input).unwrap() {
                return Some(message);
            }
            if self.stream.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
            }
        }
    }
}

fn bytes<'a>(kind: Kind, seq: u16, peer: u32, attributes: impl IntoIterator<Item = Attribute<'a>>) -> Vec<u8> {
    let mut out = Vec::new();
    frame::encode(&Message::new(kind, seq, peer, attributes).unwrap(), &mut out);
    out
}

pub(crate) fn value(data: &Blobmsg) -> Value {
    from_blobmsg(data).unwrap()
}

/// Who calls the client's objects.
pub(crate) const CALLER: u32 = 0xca11;
/// Longer than what is tried again every ten seconds.
const SOON: Duration = Duration::from_secs(15);
