//! Run-time choice of the instruction set for plain loops, and the exponential and logarithm they need.
//!
//! A loop inside [`vectorized!`] is compiled three times, for AVX-512F, for AVX2 with FMA, and for the
//! build's own target, and the best form for the processor runs. The functions here have no branches and
//! no tables, so loops that call them become vector code; `FMA` says whether a fused multiply-add is one
//! instruction. The forms need not agree to the bit; on one machine always the same form runs.

use std::sync::LazyLock;

/// What the processor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Portable,
    Avx2,
    Avx512,
}

/// The best level of this processor; in tests, inside [`at`], the one asked for.
pub(crate) fn level() -> Level {
    #[cfg(test)]
    if let Some(level) = ASKED.get() {
        return level;
    }
    best()
}

fn best() -> Level {
    static LEVEL: LazyLock<Level> = LazyLock::new(|| {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma") {
                return Level::Avx512;
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                return Level::Avx2;
            }
        }
        Level::Portable
    });
    *LEVEL
}

/// Defines `fn name(level, arguments)` whose body is compiled for every [`Level`]; inside, `FMA` is a constant.
macro_rules! vectorized {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name(level: $crate::simd::Level, $($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $result)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx2,fma")]
            fn avx512($($arg: $type),*) $(-> $result)? {
                body::<true>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($arg: $type),*) $(-> $result)? {
                body::<true>($($arg),*)
            }
            match level {
                // SAFETY: `level()` found these features on this processor, tests ask only for such.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => body::<false>($($arg),*),
            }
        }
    };
}
pub(crate) use vectorized;

/// a b + c.
#[inline(always)]
pub(crate) fn mul_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Adding and subtracting this rounds to the nearest integer (3/2 of 2^23).
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts; the first has few bits, so its product with an exponent is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// exp(x), relative error below 2 units in the last place for normal results; 0, infinity and NaN as usual.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its series up to r^7 (relative error 5e-9 there);
/// 2^n in two factors, so that the ends of the range come out right.
#[inline(always)]
pub(crate) fn exp<const FMA: bool>(x: f32) -> f32 {
    let x = if x > 104.0 { 104.0 } else { x };
    let x = if x < -104.0 { -104.0 } else { x };
    let shifted = mul_add::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = mul_add::<FMA>(n, -LN_2_HIGH, x);
    let r = mul_add::<FMA>(n, -LN_2_LOW, r);
    let mut p = 1.0 / 5040.0;
    p = mul_add::<FMA>(p, r, 1.0 / 720.0);
    p = mul_add::<FMA>(p, r, 1.0 / 120.0);
    p = mul_add::<FMA>(p, r, 1.0 / 24.0);
    p = mul_add::<FMA>(p, r, 1.0 / 6.0);
    p = mul_add::<FMA>(p, r, 0.5);
    p = mul_add::<FMA>(p * r, r, r) + 1.0;
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    p * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// 2^n for -126 <= n <= 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// log(1 + u) for 0 <= u <= 1, relative error below 3 units in the last place.
///
/// log(1 + u) = 2 artanh(s) with s = u / (2 + u) <= 1/3, by the series in s^2 up to s^15.
#[inline(always)]
pub(crate) fn log1p_unit<const FMA: bool>(u: f32) -> f32 {
    let s = u / (2.0 + u);
    let t = s * s;
    let mut p = 2.0 / 15.0;
    p = mul_add::<FMA>(p, t, 2.0 / 13.0);
    p = mul_add::<FMA>(p, t, 2.0 / 11.0);
    p = mul_add::<FMA>(p, t, 2.0 / 9.0);
    p = mul_add::<FMA>(p, t, 2.0 / 7.0);
    p = mul_add::<FMA>(p, t, 2.0 / 5.0);
    p = mul_add::<FMA>(p, t, 2.0 / 3.0);
    mul_add::<FMA>(s * t, p, 2.0 * s)
}

/// Values that a reduction computes before it adds them up: a loop without a running sum is vector code.
pub(crate) const BLOCK: usize = 256;
/// Partial sums kept side by side.
const N_LANES: usize = 16;

/// The sum of up to [`BLOCK`] values in one fixed order: lanes first, then the lanes pair by pair.
#[inline(always)]
pub(crate) fn sum_block(values: &[f32]) -> f64 {
    let mut lanes = [0f32; N_LANES];
    let mut groups = values.chunks_exact(N_LANES);
    for group in &mut groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(groups.remainder()) {
        *lane += value;
    }
    let mut half = N_LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    f64::from(lanes[0])
}

#[cfg(test)]
pub(crate) fn available_levels() -> impl Iterator<Item = Level> {
    [Level::Portable, Level::Avx2, Level::Avx512]
        .into_iter()
        .filter(|&it| it <= best())
}

#[cfg(test)]
thread_local! {
    /// The level that tests ask for, of this thread: others go on as they are.
    static ASKED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// Runs `f` at a level; the tasks that it gives to the pool follow.
#[cfg(test)]
pub(crate) fn at<T>(level: Level, f: impl FnOnce() -> T) -> T {
    /// Puts the level from before back, after a failure too.
    struct Before(Option<Level>);
    impl Drop for Before {
        fn drop(&mut self) {
            ASKED.set(self.0);
        }
    }
    let _before = Before(ASKED.replace(Some(level)));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    vectorized! {
        fn exp_all(x: &[f32], out: &mut [f32]) {
            for (out, &x) in out.iter_mut().zip(x) {
                *out = exp::<FMA>(x);
            }
        }
    }

    vectorized! {
        fn log1p_all(u: &[f32], out: &mut [f32]) {
            for (out, &u) in out.iter_mut().zip(u) {
                *out = log1p_unit::<FMA>(u);
            }
        }
    }

    /// Largest error in units of the last place of the result.
    fn worst(x: &[f32], found: &[f32], exact: impl Fn(f64) -> f64) -> f64 {
        let error = |(&x, &found): (&f32, &f32)| {
            let exact = exact(f64::from(x));
            let rounded = (exact as f32).abs();
            let unit = f64::from(
                rounded.max(f32::MIN_POSITIVE).next_up() - rounded.max(f32::MIN_POSITIVE),
            );
            (f64::from(found) - exact).abs() / unit
        };
        x.iter().zip(found).map(error).fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_accurate_over_its_range() {
        let x: Vec<f32> = (0..2_000_000)
            .map(|i| -103.0 + i as f32 * 9.585e-5)
            .collect();
        let mut found = vec![0.0; x.len()];
        for level in available_levels() {
            exp_all(level, &x, &mut found);
            let error = worst(&x, &found, f64::exp);
            assert!(error < 2.0, "{level:?}: {error} units in the last place");
        }
    }

    #[test]
    fn exp_at_the_ends() {
        let x = [
            0.0,
            -0.0,
            1e30,
            -1e30,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            88.8,
            -150.0,
        ];
        let mut found = [0.0; 9];
        for level in available_levels() {
            exp_all(level, &x, &mut found);
            assert_eq!(
                found[..6],
                [1.0, 1.0, f32::INFINITY, 0.0, f32::INFINITY, 0.0],
                "{level:?}"
            );
            assert!(
                found[6].is_nan() && found[7] == f32::INFINITY && found[8] == 0.0,
                "{level:?}"
            );
        }
    }

    #[test]
    fn log1p_is_accurate_on_the_unit_interval() {
        let mut u: Vec<f32> = (0..=1_000_000).map(|i| i as f32 * 1e-6).collect();
        u.extend((0..1000).map(|i| (-0.08 * i as f32).exp()));
        let mut found = vec![0.0; u.len()];
        for level in available_levels() {
            log1p_all(level, &u, &mut found);
            let error = worst(&u, &found, f64::ln_1p);
            assert!(error < 3.0, "{level:?}: {error} units in the last place");
            log1p_all(level, &[f32::NAN], &mut found);
            assert!(found[0].is_nan());
        }
    }

    #[test]
    fn blocks_add_up() {
        let values: Vec<f32> = (0..37).map(|i| i as f32).collect();
        assert_eq!(sum_block(&values), 666.0);
        assert_eq!(sum_block(&[]), 0.0);
    }
}
