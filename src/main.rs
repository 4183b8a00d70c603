fn main() {
    use zedis::reactor::{Address, Listener};
    let port: u16 = std::env::args().nth(2).and_then(|p| p.parse().ok()).unwrap_or(6379);
    let l = Listener::bind(&Address::Tcp(([127, 0, 0, 1], port).into()), 511).unwrap();
    let e = zedis::server::Engine::new(zedis::base::clock::Clock::real(), 1);
    zedis::server::Server::new(e, vec![l]).unwrap().run().unwrap();
}
