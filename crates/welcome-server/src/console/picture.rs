//! Pictures of offers: read, made small, and written anew.
//!
//! Pure. Bytes of a stranger come in; what goes out is a JPEG, PNG or WebP that our own encoder wrote, small enough for a
//! router. Width and height are bounded before a pixel is decoded.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use welcome_proto::offer::{FileKind, MAX_FILE};

/// A picture that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) kind: FileKind,
    pub(crate) bytes: Vec<u8>,
}

/// The bytes are no picture, or one that is too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no PNG, JPEG, WebP or GIF picture of at most {MAX_SIDE} pixels a side")]
pub(crate) struct NoPicture;

/// Makes a picture of ours out of one of theirs. Takes up to a second of one core; call it where that may be.
pub(crate) fn picture(bytes: &[u8]) -> Result<Picture, NoPicture> {
    let image = decode(bytes).map_err(|_| NoPicture)?;
    let mut image = image.thumbnail_to(WIDTH);
    let transparent = image.color().has_alpha() && image.to_rgba8().pixels().any(|p| p.0[3] < 255);
    // Drawings stay sharp, photographs become small; whatever is too large after all of that shrinks.
    loop {
        let best =
            if transparent { vec![png(&image)?] } else { vec![png(&image)?, jpeg(&image, 82)?, jpeg(&image, 65)?] };
        let fits = best.into_iter().filter(|p| p.bytes.len() <= MAX_FILE as usize);
        let small = |p: &Picture| (p.kind == FileKind::Png && p.bytes.len() > SMALL_PNG, p.bytes.len());
        if let Some(picture) = fits.min_by_key(small) {
            return Ok(picture);
        }
        if image.width().min(image.height()) < 32 {
            return Err(NoPicture);
        }
        image = image.resize(image.width() * 3 / 4, image.height() * 3 / 4, FilterType::Triangle);
    }
}

fn decode(bytes: &[u8]) -> image::ImageResult<DynamicImage> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let format = reader.format().filter(|f| KNOWN.contains(f));
    if format.is_none() {
        return Err(image::ImageError::Unsupported(image::error::ImageFormatHint::Unknown.into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    // Cameras write down how they were held.
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

trait ThumbnailTo {
    fn thumbnail_to(self, width: u32) -> Self;
}

impl ThumbnailTo for DynamicImage {
    fn thumbnail_to(self, width: u32) -> Self {
        if self.width() <= width && self.height() <= 2 * width {
            return self;
        }
        self.resize(width, 2 * width, FilterType::Triangle)
    }
}

fn png(image: &DynamicImage) -> Result<Picture, NoPicture> {
    let mut bytes = Cursor::new(Vec::new());
    let eight_bits = if image.color().has_alpha() {
        DynamicImage::ImageRgba8(image.to_rgba8())
    } else {
        DynamicImage::ImageRgb8(image.to_rgb8())
    };
    eight_bits.write_to(&mut bytes, ImageFormat::Png).map_err(|_| NoPicture)?;
    Ok(Picture { kind: FileKind::Png, bytes: bytes.into_inner() })
}

fn jpeg(image: &DynamicImage, quality: u8) -> Result<Picture, NoPicture> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    DynamicImage::ImageRgb8(image.to_rgb8()).write_with_encoder(encoder).map_err(|_| NoPicture)?;
    Ok(Picture { kind: FileKind::Jpeg, bytes })
}

const KNOWN: [ImageFormat; 4] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
/// The largest upload in bytes.
pub(crate) const MAX_UPLOAD: usize = 8 << 20;
/// The longest side of an upload in pixels.
const MAX_SIDE: u32 = 6000;
/// What decoding may take: the largest picture with four bytes a pixel, and as much again to work with.
const MAX_MEMORY: u64 = 2 * 4 * 6000 * 6000;
/// As wide as a phone shows it, at three pixels for each of its own.
const WIDTH: u32 = 1200;
/// A drawing is worth this much.
const SMALL_PNG: usize = 48 * 1024;

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::*;

    fn encoded(image: RgbaImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let image = DynamicImage::ImageRgba8(image);
        let image = if format == ImageFormat::Jpeg { DynamicImage::ImageRgb8(image.to_rgb8()) } else { image };
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn noise(width: u32, height: u32, alpha: u8) -> RgbaImage {
        let mut seed = 1u32;
        RgbaImage::from_fn(width, height, |_, _| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [r, g, b, _] = seed.to_be_bytes();
            Rgba([r, g, b, alpha])
        })
    }

    #[test]
    fn every_known_kind_becomes_one_that_a_router_takes() {
        for format in KNOWN {
            let ours = picture(&encoded(noise(1600, 900, 255), format)).unwrap();
            assert!(ours.bytes.len() <= MAX_FILE as usize, "{format:?}: {}", ours.bytes.len());
            assert_eq!(FileKind::of(&ours.bytes), Some(ours.kind));
            let width = image::load_from_memory(&ours.bytes).unwrap().width();
            assert!((32..=WIDTH).contains(&width), "{format:?}: {width}");
        }
    }

    #[test]
    fn a_drawing_stays_a_drawing_and_keeps_its_transparency() {
        let drawing = RgbaImage::from_pixel(300, 200, Rgba([10, 90, 100, 255]));
        assert_eq!(picture(&encoded(drawing, ImageFormat::Png)).unwrap().kind, FileKind::Png);
        let glass = picture(&encoded(noise(700, 700, 128), ImageFormat::Png)).unwrap();
        assert_eq!(glass.kind, FileKind::Png);
        assert!(image::load_from_memory(&glass.bytes).unwrap().to_rgba8().pixels().all(|p| p.0[3] < 255));
    }

    #[test]
    fn nothing_but_the_picture_is_kept() {
        let mut bytes = encoded(noise(64, 64, 255), ImageFormat::Png);
        bytes.extend_from_slice(b"<script>alert(1)</script>");
        let ours = picture(&bytes).unwrap();
        assert!(!ours.bytes.windows(8).any(|w| w == b"<script>"));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_refused() {
        let large = encoded(RgbaImage::new(6001, 1), ImageFormat::Png);
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec();
        // A header that promises what no memory holds.
        let mut bomb = encoded(RgbaImage::new(1, 1), ImageFormat::Png);
        bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        for bytes in [large, svg, bomb, Vec::new(), b"\x89PNG\r\n\x1a\n".to_vec()] {
            assert_eq!(picture(&bytes), Err(NoPicture));
        }
    }
}
