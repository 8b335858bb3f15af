//! Images as cases: the pieces are the pixels that are not black.
//!
//! Irving et al. 2018, section 3.1: the judge's input has two planes, whether a pixel is revealed and its value. So pixel
//! `p` of value `v` (0 to 255) has two features, `p` with 1 and `n_pixels + p` with `v / 255`.

use crate::cases::{Cases, Feature};

/// Images of one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    n_pixels: usize,
    /// Where the pixels of each image begin in `lit`, and the end.
    starts: Vec<usize>,
    /// Position and value of every pixel that is not black, image after image.
    lit: Vec<(u16, u8)>,
}

impl Images {
    /// Images from their grey values, `[n, n_pixels]`.
    ///
    /// # Panics
    ///
    /// When `values` is not whole images of at most 65,536 pixels.
    pub fn new(n_pixels: usize, values: &[u8]) -> Self {
        assert!(
            n_pixels > 0 && n_pixels <= 1 << 16 && values.len().is_multiple_of(n_pixels),
            "images: {} values in images of {n_pixels}",
            values.len()
        );
        let mut images = Self {
            n_pixels,
            starts: vec![0],
            lit: Vec::new(),
        };
        for image in values.chunks_exact(n_pixels) {
            let lit = (0..).zip(image).filter(|(_, value)| **value > 0);
            images.lit.extend(lit.map(|(at, value)| (at, *value)));
            images.starts.push(images.lit.len());
        }
        images
    }

    /// Position and value of the pixels of an image that are not black: its pieces, in their order.
    pub fn lit(&self, image: usize) -> &[(u16, u8)] {
        &self.lit[self.starts[image]..self.starts[image + 1]]
    }
}

impl Cases for Images {
    fn len(&self) -> usize {
        self.starts.len() - 1
    }

    fn n_features(&self) -> usize {
        2 * self.n_pixels
    }

    fn n_pieces(&self, case: usize) -> usize {
        self.lit(case).len()
    }

    fn piece(&self, case: usize, piece: usize, features: &mut Vec<Feature>) {
        let (at, value) = self.lit(case)[piece];
        features.extend([
            Feature {
                index: at.into(),
                value: 1.0,
            },
            Feature {
                index: u32::from(at) + self.n_pixels as u32,
                value: f32::from(value) / 255.0,
            },
        ]);
    }
}
