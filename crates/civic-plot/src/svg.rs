//! SVG, written by hand: a few shapes, with numbers rounded to a tenth.

use std::fmt::Write as _;

/// A picture in the making.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub(crate) size: u32,
    pub(crate) colour: &'static str,
    pub(crate) anchor: Anchor,
    pub(crate) weight: &'static str,
}

/// The colour of texts.
pub(crate) const INK: &str = "#222222";

/// The colour of texts that can be passed over.
pub(crate) const FAINT: &str = "#666666";

/// The colour of the lines of a grid.
pub(crate) const GRID: &str = "#dddddd";

impl Style {
    pub(crate) const fn new(size: u32, anchor: Anchor) -> Self {
        Self {
            size,
            colour: INK,
            anchor,
            weight: "normal",
        }
    }

    pub(crate) const fn bold(mut self) -> Self {
        self.weight = "bold";
        self
    }

    pub(crate) const fn faint(mut self) -> Self {
        self.colour = FAINT;
        self
    }
}

// Writing to a string cannot fail, so what `write!` returns is left alone.
impl Svg {
    pub(crate) const fn new(width: f64, height: f64) -> Self {
        Self {
            width,
            height,
            body: String::new(),
        }
    }

    pub(crate) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"/>"#
        );
    }

    pub(crate) fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        self.body.push_str("<polyline points=\"");
        for (index, (x, y)) in points.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            let _ = write!(self.body, "{gap}{x:.1},{y:.1}");
        }
        let _ = writeln!(
            self.body,
            r#"" fill="none" stroke="{colour}" stroke-width="{width:.1}"/>"#
        );
    }

    pub(crate) fn circle(&mut self, (x, y): (f64, f64), radius: f64, colour: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius:.1}" fill="{colour}"/>"#
        );
    }

    pub(crate) fn text(&mut self, (x, y): (f64, f64), style: Style, text: &str) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" font-size="{}" font-weight="{}" fill="{}" text-anchor="{anchor}">{}</text>"#,
            style.size,
            style.weight,
            style.colour,
            escape(text),
        );
    }

    /// The picture, on white, so that it can be read on a dark page as well. `title` is what a
    /// screen reader says.
    pub(crate) fn finish(self, title: &str) -> String {
        let Self {
            width,
            height,
            body,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
             font-family=\"Helvetica, Arial, sans-serif\">\n\
             <title>{}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
             {body}</svg>\n",
            escape(title)
        )
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
