//! What a server's responses become.

mod body;
mod checked;
mod compressed;
mod head;
mod order;
mod requests;
mod socket;
