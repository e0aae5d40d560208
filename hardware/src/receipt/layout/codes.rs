//! Whether a picture shows a code, though its tones do not tell: one that a program has drawn larger with
//! soft edges has as many greys as a photo.
//!
//! A QR code is known by its three finders (ISO/IEC 18004, 5.2): squares that read dark, light, dark,
//! light, dark in the ratio 1:1:3:1:1 from side to side and from top to bottom. Bars are known by rows
//! that cross from dark to light many times and are all alike.

use image::GrayImage;

/// At most so many rows are looked at: enough to meet the finders of a code that is a tenth of the
/// picture.
const ROWS: u32 = 1000;

/// A picture with so many places that look like finders is a pattern.
const MOST_FINDERS: usize = 64;

/// How often the shortest usual bar code (EAN-8) goes from dark to light or back, less a few.
const LEAST_CROSSINGS: usize = 40;

/// How much neighbouring rows of a bar code differ at most, in tones a pixel: the noise of a JPEG.
const ALIKE: u64 = 8;

/// Whether it does; up to `threshold` is dark.
pub(super) fn is_code(luma: &GrayImage, threshold: u8) -> bool {
    let picture = Picture {
        width: luma.width() as usize,
        height: luma.height() as usize,
        luma: luma.as_raw(),
        threshold,
    };
    let step = luma.height().div_ceil(ROWS).max(1) as usize;
    picture.has_bars(step) || picture.has_finders(step)
}

struct Picture<'a> {
    width: usize,
    height: usize,
    luma: &'a [u8],
    threshold: u8,
}

/// The middle of something like a finder, and the width of its modules, in pixels.
struct Finder {
    x: usize,
    y: usize,
    module: usize,
}

impl Picture<'_> {
    fn row(&self, y: usize) -> &[u8] {
        self.luma.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    fn is_dark(&self, x: usize, y: usize) -> bool {
        self.row(y).get(x).is_some_and(|luma| *luma <= self.threshold)
    }

    /// Stretches of a row that are dark or light: where each begins, and how long it is. The first is
    /// light, if only for no pixel.
    fn runs(&self, y: usize) -> Vec<(usize, usize)> {
        let (mut runs, mut begin, mut dark) = (Vec::new(), 0, false);
        for (x, luma) in self.row(y).iter().enumerate() {
            if (*luma <= self.threshold) != dark {
                runs.push((begin, x - begin));
                (begin, dark) = (x, !dark);
            }
        }
        runs.push((begin, self.width - begin));
        runs
    }

    fn has_finders(&self, step: usize) -> bool {
        let mut found: Vec<Finder> = Vec::new();
        for y in (0..self.height).step_by(step) {
            // Each that begins dark.
            for five in self.runs(y).windows(5).skip(1).step_by(2) {
                let &[(_, a), (_, b), (middle, c), (_, d), (_, e)] = five else { continue };
                let Some(module) = finder([a, b, c, d, e]) else { continue };
                let x = middle + c / 2;
                let near = |other: &Finder| {
                    let within = 4 * module.max(other.module);
                    x.abs_diff(other.x) <= within && y.abs_diff(other.y) <= within
                };
                if found.iter().any(near) || !self.is_finder_upright(x, y) {
                    continue;
                }
                found.push(Finder { x, y, module });
                if found.len() > MOST_FINDERS {
                    return false;
                }
            }
        }
        // Three of one size.
        found.iter().any(|one| {
            let alike = |other: &&Finder| {
                let (small, large) = (one.module.min(other.module), one.module.max(other.module));
                large * 2 <= small * 3 + 1
            };
            found.iter().filter(alike).count() >= 3
        })
    }

    /// Whether it is one from top to bottom as well.
    fn is_finder_upright(&self, x: usize, y: usize) -> bool {
        let up = Self::column_runs((0..=y).rev().map(|y| self.is_dark(x, y)));
        let down = Self::column_runs((y + 1..self.height).map(|y| self.is_dark(x, y)));
        let (&[c, b, a], &[below, d, e]) = (&up[..], &down[..]) else { return false };
        finder([a, b, c + below, d, e]).is_some()
    }

    /// The first three stretches of pixels, which begin dark.
    fn column_runs(pixels: impl Iterator<Item = bool>) -> Vec<usize> {
        let mut runs = vec![0];
        for dark in pixels {
            if dark != (runs.len() % 2 == 1) {
                if runs.len() == 3 {
                    break;
                }
                runs.push(0);
            }
            if let Some(run) = runs.last_mut() {
                *run += 1;
            }
        }
        runs
    }

    fn has_bars(&self, step: usize) -> bool {
        let (mut looked_at, mut bars) = (0, 0);
        for y in (0..self.height.saturating_sub(1)).step_by(step) {
            looked_at += 1;
            let (row, next) = (self.row(y), self.row(y + 1));
            let differ: u64 = row.iter().zip(next).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            if differ <= ALIKE * self.width as u64 && self.runs(y).len() > LEAST_CROSSINGS {
                bars += 1;
            }
        }
        // There are digits below them, and white around.
        bars >= 4 && bars * 4 >= looked_at
    }
}

/// The width of a module, if these stretches are as those of a finder, each to half a module.
fn finder(stretches: [usize; 5]) -> Option<usize> {
    let whole: usize = stretches.iter().sum();
    // In fourteenths of the whole: a module has two, and may have one or three.
    let is = |length: usize, modules: usize| {
        (length * 14).abs_diff(whole * 2 * modules) <= whole * modules
    };
    let [a, b, c, d, e] = stretches;
    let all = [(a, 1), (b, 1), (c, 3), (d, 1), (e, 1)];
    (whole >= 7 && all.into_iter().all(|(length, modules)| is(length, modules)))
        .then(|| (whole + 3) / 7)
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    /// Dark where the finder is, seen from its upper left corner.
    fn in_finder(x: u32, y: u32) -> bool {
        let ring = |n: u32| n == 0 || n == 6;
        let inner = |n: u32| (2..5).contains(&n);
        x < 7 && y < 7 && (ring(x) || ring(y) || (inner(x) && inner(y)))
    }

    fn drawn(finders: &[(u32, u32)], module: u32) -> GrayImage {
        GrayImage::from_fn(40 * module, 40 * module, |x, y| {
            let (x, y) = (x / module, y / module);
            let dark = finders
                .iter()
                .any(|(left, top)| x >= *left && y >= *top && in_finder(x - left, y - top));
            Luma([if dark { 0 } else { 255 }])
        })
    }

    #[test]
    fn three_finders_are_a_code_and_two_are_none() {
        for module in [1, 2, 5, 40] {
            assert!(is_code(&drawn(&[(4, 4), (25, 4), (4, 25)], module), 128), "{module}");
            assert!(!is_code(&drawn(&[(4, 4), (25, 4)], module), 128), "{module}");
        }
    }

    #[test]
    fn bars_are_a_code_and_a_fence_of_a_few_is_none() {
        let bars = |width: u32| {
            GrayImage::from_fn(200, 60, |x, _| {
                Luma([if (x / width).is_multiple_of(2) { 30 } else { 220 }])
            })
        };
        assert!(is_code(&bars(2), 128));
        assert!(!is_code(&bars(10), 128));
    }

    #[test]
    fn noise_slopes_and_chequers_are_none() {
        // Numbers that look like chance (Knuth, The Art of Computer Programming, 3.3.4, line 26).
        let mut seed = 7_u32;
        let noise = GrayImage::from_fn(300, 300, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Luma([(seed >> 24) as u8])
        });
        assert!(!is_code(&noise, 128));
        let slope = GrayImage::from_fn(256, 256, |x, _| Luma([x as u8]));
        assert!(!is_code(&slope, 128));
        let chequers = GrayImage::from_fn(300, 300, |x, y| {
            Luma([if (x / 9 + y / 9) % 2 == 0 { 0 } else { 255 }])
        });
        assert!(!is_code(&chequers, 128));
        assert!(!is_code(&GrayImage::new(1, 1), 128));
    }
}
