//! What a server's responses become.

mod body;
mod checked;
mod head;
mod order;
mod socket;
