/// Mathematics of generated C. In f32 the common functions are straight-line code that a compiler vectorises; f64 and
/// the rare ones call the C library.
///
/// Sources: exp, log, tanh, sin and cos use the polynomials of Moshier's Cephes library; erf those of N. Juffa
/// (Stack Overflow 35148198, in the public domain there); pow is the atanh series in double precision.
enum CMathPrelude {
  static let text = float + derived + library

  private static let float = #"""

    // Rounds to an integer, ties to even, for |x| < 2^22; the bits of the sum hold the integer.
    #define SWAGE_ROUNDER 12582912.0f
    SWAGE_INLINE float swage_power_of_two(int32_t n) { return swage_float((uint32_t)(n + 127) << 23); }

    // e^r - 1 - r, over r^2, for |r| <= ln(2) / 2.
    SWAGE_INLINE float swage_exp_tail(float r) {
      float p = 1.9875691500e-4f;
      p = p * r + 1.3981999507e-3f;
      p = p * r + 8.3334519073e-3f;
      p = p * r + 4.1665795894e-2f;
      p = p * r + 1.6666665459e-1f;
      return p * r + 5.0000001201e-1f;
    }
    SWAGE_INLINE float swage_exp_f32(float x) {
      float c = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
      float t = c * 1.44269504f + SWAGE_ROUNDER;
      float k = t - SWAGE_ROUNDER;
      int32_t n = (int32_t)(swage_bits(t) - swage_bits(SWAGE_ROUNDER));
      float r = (c - k * 0.693359375f) + k * 2.12194440e-4f;
      float y = swage_exp_tail(r) * (r * r) + r + 1.0f;
      int32_t half = n >> 1;
      return y * swage_power_of_two(half) * swage_power_of_two(n - half);
    }
    // -87 <= x <= 88: the power of two goes straight into the exponent. Of a NaN it makes a number.
    SWAGE_INLINE float swage_exp_normal_f32(float x) {
      float t = x * 1.44269504f + SWAGE_ROUNDER;
      float k = t - SWAGE_ROUNDER;
      float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;
      float y = swage_exp_tail(r) * (r * r) + r + 1.0f;
      return swage_float(swage_bits(y) + (swage_bits(t) << 23));
    }
    SWAGE_INLINE float swage_exp_below_zero_f32(float x) {
      float y = swage_exp_normal_f32(x < -87.0f ? -87.0f : x);
      return x < -87.0f ? 0.0f : x != x ? x : y;
    }
    // The polynomial has the least relative error on |r| <= 1/2 among those of degree 6: 1.9e-09.
    SWAGE_INLINE float swage_exp2_below_zero_f32(float x) {
      float t = x + SWAGE_ROUNDER;
      float r = x - (t - SWAGE_ROUNDER);
      float y = 1.53458120e-4f;
      y = y * r + 1.33999313e-3f;
      y = y * r + 9.61848896e-3f;
      y = y * r + 5.55032878e-2f;
      y = y * r + 2.40226469e-1f;
      y = y * r + 6.93147206e-1f;
      y = y * r + 1.0f;
      return x < -126.0f ? 0.0f : swage_float(swage_bits(y) + (swage_bits(t) << 23));
    }
    // The polynomial has the least relative error on |r| <= 1/2 among those of degree 3: 7.5e-05.
    SWAGE_INLINE float swage_exp2_coarse_normal_f32(float x) {
      float t = x + SWAGE_ROUNDER;
      float r = x - (t - SWAGE_ROUNDER);
      float y = ((0.0551716686f * r + 0.242611122f) * r + 0.693260986f) * r + 0.999928074f;
      return swage_float(swage_bits(y) + (swage_bits(t) << 23));
    }
    SWAGE_INLINE float swage_exp2_coarse_f32(float x) {
      return x < -125.0f ? 0.0f : swage_exp2_coarse_normal_f32(x);
    }
    SWAGE_INLINE float swage_expm1_f32(float x) {
      float c = x < -30.0f ? -30.0f : x > 89.0f ? 89.0f : x;
      float t = c * 1.44269504f + SWAGE_ROUNDER;
      float k = t - SWAGE_ROUNDER;
      int32_t n = (int32_t)(swage_bits(t) - swage_bits(SWAGE_ROUNDER));
      float r = (c - k * 0.693359375f) + k * 2.12194440e-4f;
      float q = swage_exp_tail(r) * (r * r) + r;
      float half = swage_power_of_two(n - 1);
      float y = (half * q + (half - 0.5f)) * 2.0f;
      return x == 0.0f ? x : y;
    }
    SWAGE_INLINE float swage_log_f32(float x) {
      bool tiny = x < 0x1p-126f;
      uint32_t u = swage_bits(tiny ? x * 0x1p23f : x);
      uint32_t shifted = u - 0x3f3504f3u;
      float e = (float)((int32_t)shifted >> 23) - (tiny ? 23.0f : 0.0f);
      float m = swage_float((shifted & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
      float z = m * m;
      float p = 7.0376836292e-2f;
      p = p * m - 1.1514610310e-1f;
      p = p * m + 1.1676998740e-1f;
      p = p * m - 1.2420140846e-1f;
      p = p * m + 1.4249322787e-1f;
      p = p * m - 1.6668057665e-1f;
      p = p * m + 2.0000714765e-1f;
      p = p * m - 2.4999993993e-1f;
      p = p * m + 3.3333331174e-1f;
      float y = p * m * z - e * 2.12194440e-4f - 0.5f * z;
      float r = m + y + e * 0.693359375f;
      r = x == SWAGE_INFINITY ? x : r;
      r = x == 0.0f ? -SWAGE_INFINITY : r;
      return x < 0.0f || x != x ? SWAGE_NAN : r;
    }
    SWAGE_INLINE float swage_log1p_f32(float x) {
      float u = 1.0f + x;
      float r = swage_log_f32(u) + (x - (u - 1.0f)) / u;
      r = u == 1.0f ? x : r;
      return u == SWAGE_INFINITY ? x : u == 0.0f ? -SWAGE_INFINITY : r;
    }
    SWAGE_INLINE float swage_abs_f32(float x) { return __builtin_fabsf(x); }
    SWAGE_INLINE float swage_sigmoid_f32(float x) {
      float e = swage_exp_f32(-__builtin_fabsf(x));
      float r = 1.0f / (1.0f + e);
      return x >= 0.0f ? r : e * r;
    }
    // x / (1 + e^-y), where y has the sign of x and is no nearer to zero than it is.
    SWAGE_INLINE float swage_times_logistic_f32(float x, float y) {
      float e = swage_exp_normal_f32(y > 87.0f ? -87.0f : y < -88.0f ? 88.0f : -y);
      return x / (y < -88.0f ? SWAGE_INFINITY : 1.0f + e);
    }
    SWAGE_INLINE float swage_silu_f32(float x) { return swage_times_logistic_f32(x, x); }
    SWAGE_INLINE float swage_gelu_tanh_f32(float x) {
      return swage_times_logistic_f32(x, x * (1.59576912160573071176f + 0.07135481627260025f * (x * x)));
    }
    // x (1 - erfc(z) / 2) or x erfc(z) / 2, with z = |x| / sqrt(2). log2(erfc(z)) over |x| is a polynomial of degree 9, whose error
    // is weighted by that of erfc: 9e-08 for |x| <= 5.75. It falls on beyond.
    SWAGE_INLINE float swage_gelu_f32(float x) {
      float a = __builtin_fabsf(x);
      float p = -2.04661470e-8f;
      p = p * a + 6.37117630e-7f;
      p = p * a - 8.50726478e-6f;
      p = p * a + 6.16134357e-5f;
      p = p * a - 2.26712553e-4f;
      p = p * a - 1.13774616e-4f;
      p = p * a + 7.09075622e-3f;
      p = p * a - 5.25413405e-2f;
      p = p * a - 4.59187632e-1f;
      p = p * a - 1.15110789f;
      float half = 0.5f * swage_exp2_below_zero_f32(p * a);
      return x * (x >= 0.0f ? 1.0f - half : half);
    }
    // x / (1 + 2^-y)
    SWAGE_INLINE float swage_times_logistic_coarse_f32(float x, float y) {
      float c = y > 125.0f ? -125.0f : -y;
      return x / (c > 126.0f ? SWAGE_INFINITY : 1.0f + swage_exp2_coarse_normal_f32(c));
    }
    SWAGE_INLINE float swage_sigmoid_coarse_f32(float x) {
      return swage_times_logistic_coarse_f32(1.0f, x * 1.44269504f);
    }
    SWAGE_INLINE float swage_silu_coarse_f32(float x) { return swage_times_logistic_coarse_f32(x, x * 1.44269504f); }
    SWAGE_INLINE float swage_gelu_tanh_coarse_f32(float x) {
      return swage_times_logistic_coarse_f32(x, x * (2.30220819f + 0.102943240f * (x * x)));
    }
    // As `gelu`, with a polynomial of degree 4: 3.4e-05 for |x| <= 4.
    SWAGE_INLINE float swage_gelu_coarse_f32(float x) {
      float a = __builtin_fabsf(x);
      float p = -3.91058327e-4f;
      p = p * a + 6.49259813e-3f;
      p = p * a - 5.04135353e-2f;
      p = p * a - 4.61233771e-1f;
      p = p * a - 1.15053181f;
      float half = 0.5f * swage_exp2_coarse_f32(p * a);
      return x * (x >= 0.0f ? 1.0f - half : half);
    }
    SWAGE_INLINE float swage_tanh_f32(float x) {
      float a = __builtin_fabsf(x);
      float z = x * x;
      float p = -5.70498872745e-3f;
      p = p * z + 2.06390887954e-2f;
      p = p * z - 5.37397155531e-2f;
      p = p * z + 1.33314422036e-1f;
      p = p * z - 3.33332819422e-1f;
      float near = p * z * x + x;
      float far = 1.0f - 2.0f / (swage_exp_normal_f32(a > 10.0f ? 20.0f : 2.0f * a) + 1.0f);
      return __builtin_copysignf(a >= 0.625f ? far : near, x);
    }
    SWAGE_INLINE float swage_erf_f32(float x) {
      float a = __builtin_fabsf(x) > 4.0f ? 4.0f : __builtin_fabsf(x);
      float s = a * a;
      float q = -1.72853470e-5f * a + 3.83197126e-4f;
      float w = -3.88396438e-3f * a + 2.42546219e-2f;
      q = q * s + w;
      q = q * a - 1.06777877e-1f;
      q = q * a - 6.34846687e-1f;
      q = q * a - 1.28717512e-1f;
      q = q * a - a;
      float far = __builtin_copysignf(1.0f - swage_exp_normal_f32(q), x);
      float p = -5.96761703e-4f;
      p = p * s + 4.99119423e-3f;
      p = p * s - 2.67681349e-2f;
      p = p * s + 1.12819925e-1f;
      p = p * s - 3.76125336e-1f;
      p = p * s + 1.28379166e-1f;
      float near = p * x + x;
      return x != x ? x : a > 0.927734375f ? far : near;
    }

    // For |x| from 2^29 on: the mantissa times the 64 bits of 2/pi whose products are below 4 quarter turns (M. Payne and
    // R. Hanek, "Radian reduction for trigonometric functions", 1983).
    SWAGE_INLINE uint32_t swage_reduce_large_angle(float x, float *r) {
      uint32_t bits;
      __builtin_memcpy(&bits, &x, sizeof bits);
      uint64_t mantissa = (bits & 0x7fffffu) | 0x800000u;
      int32_t start = (int32_t)((bits >> 23) & 255) - 127 - 25;
      start = start < 0 ? 0 : start;
      int32_t shift = start & 63;
      uint64_t high = start < 64 ? 0xA2F9836E4E441529ull : 0xFC2757D1F534DDC0ull;
      uint64_t low = start < 64 ? 0xFC2757D1F534DDC0ull : 0xDB6295993C439041ull;
      uint64_t turns = mantissa * (high << shift | (low >> 1) >> (63 - shift));
      float rest = (float)((double)(int64_t)(turns << 2) * 8.515303950216386e-20);
      uint32_t quadrant = (uint32_t)((turns + 0x2000000000000000ull) >> 62);
      *r = x < 0.0f ? -rest : rest;
      return x < 0.0f ? 0u - quadrant : quadrant;
    }
    // Quadrant in the low bits, remainder in r.
    SWAGE_INLINE uint32_t swage_reduce_angle(float x, float *r) {
      float large; uint32_t quadrant = swage_reduce_large_angle(x, &large);
      double t = (double)x * 0.63661977236758134308 + 6755399441055744.0;
      double k = t - 6755399441055744.0;
      float near = (float)(((double)x - k * 1.57079632673412561417) - k * 6.07710050650619224932e-11);
      int isLarge = __builtin_fabsf(x) >= 536870912.0f;
      *r = __builtin_fabsf(x) < __builtin_inff() ? (isLarge ? large : near) : x - x;
      return isLarge ? quadrant : (uint32_t)swage_bits_f64(t);
    }
    SWAGE_INLINE float swage_sine(float r, uint32_t quadrant) {
      float z = r * r;
      float s = -1.9515295891e-4f;
      s = s * z + 8.3321608736e-3f;
      s = s * z - 1.6666654611e-1f;
      s = s * z * r + r;
      float c = 2.443315711809948e-5f;
      c = c * z - 1.388731625493765e-3f;
      c = c * z + 4.166664568298827e-2f;
      c = c * z * z - 0.5f * z + 1.0f;
      float y = quadrant & 1 ? c : s;
      return quadrant & 2 ? -y : y;
    }
    SWAGE_INLINE float swage_sin_f32(float x) {
      float r; uint32_t quadrant = swage_reduce_angle(x, &r);
      return x == 0.0f ? x : swage_sine(r, quadrant);
    }
    SWAGE_INLINE float swage_cos_f32(float x) {
      float r; uint32_t quadrant = swage_reduce_angle(x, &r);
      return swage_sine(r, quadrant + 1);
    }

    SWAGE_INLINE double swage_log2_of(float x) {
      bool tiny = x < 0x1p-126f;
      uint32_t u = swage_bits(tiny ? x * 0x1p23f : x);
      uint32_t shifted = u - 0x3f3504f3u;
      double e = (double)((int32_t)shifted >> 23) - (tiny ? 23.0 : 0.0);
      double m = (double)swage_float((shifted & 0x7fffffu) + 0x3f3504f3u);
      double s = (m - 1.0) / (m + 1.0), z = s * s;
      double p = 1.0 / 17.0;
      p = p * z + 1.0 / 15.0;
      p = p * z + 1.0 / 13.0;
      p = p * z + 1.0 / 11.0;
      p = p * z + 1.0 / 9.0;
      p = p * z + 1.0 / 7.0;
      p = p * z + 1.0 / 5.0;
      p = p * z + 1.0 / 3.0;
      double r = e + (p * z * s + s) * 2.88539008177792681472;
      return x == 0.0f ? -(double)SWAGE_INFINITY : x == SWAGE_INFINITY ? (double)SWAGE_INFINITY : r;
    }
    SWAGE_INLINE float swage_exp2_of(double x) {
      double c = x < -160.0 ? -160.0 : x > 130.0 ? 130.0 : x;
      double t = c + 6755399441055744.0;
      double r = (c - (t - 6755399441055744.0)) * 0.69314718055994530942;
      double p = 1.0 / 40320.0;
      p = p * r + 1.0 / 5040.0;
      p = p * r + 1.0 / 720.0;
      p = p * r + 1.0 / 120.0;
      p = p * r + 1.0 / 24.0;
      p = p * r + 1.0 / 6.0;
      p = p * r + 0.5;
      p = p * r + 1.0;
      p = p * r + 1.0;
      return (float)(p * swage_double((swage_bits_f64(t) + 1023) << 52));
    }
    SWAGE_INLINE float swage_pow_f32(float x, float y) {
      float a = __builtin_fabsf(x);
      float r = swage_exp2_of((double)y * swage_log2_of(a));
      bool whole = __builtin_floorf(y) == y;
      bool odd = whole && __builtin_floorf(y * 0.5f) * 2.0f != y;
      r = a == 1.0f && y - y != 0.0f && y == y ? 1.0f : r;
      r = swage_bits(x) >> 31 && odd ? -r : r;
      r = x < 0.0f && x != -SWAGE_INFINITY && !whole ? SWAGE_NAN : r;
      r = x != x || y != y ? SWAGE_NAN : r;
      return y == 0.0f || x == 1.0f ? 1.0f : r;
    }

    """#

  private static let derived = #"""

    #define SWAGE_DERIVED(T, N, S, C) \
      SWAGE_INLINE T swage_rsqrt_##N(T x) { return C(1.0) / swage_sqrt_##N(x); } \
      SWAGE_INLINE T swage_softplus_##N(T x) { \
        return (x > C(0.0) ? x : C(0.0)) + (x == x ? swage_log1p_##N(swage_exp_##N(-swage_abs_##N(x))) : x); \
      } \
      SWAGE_INLINE T swage_mish_##N(T x) { \
        T e = swage_exp_##N(x > C(20.0) ? C(20.0) : x), n = e * (e + C(2.0)); \
        return x > C(20.0) ? x : x * (n / (n + C(2.0))); \
      } \
      SWAGE_INLINE T swage_fma_##N(T a, T b, T c) { return a * b + c; } \
      SWAGE_INLINE T swage_max_##N(T a, T b) { return a > b || a != a ? a : b; } \
      SWAGE_INLINE T swage_min_##N(T a, T b) { return a < b || a != a ? a : b; } \
      SWAGE_INLINE T swage_clamp_##N(T x, T low, T high) { T y = x < low ? low : x; return y > high ? high : y; } \
      SWAGE_INLINE bool swage_is_nan_##N(T x) { return x != x; } \
      SWAGE_INLINE bool swage_is_inf_##N(T x) { return swage_abs_##N(x) == (T)SWAGE_INFINITY; }

    """#

  private static let library = #"""

    // Through the C library.
    #define SWAGE_LIBRARY(T, N, S) \
      SWAGE_INLINE T swage_sqrt_##N(T x) { return __builtin_sqrt##S(x); } \
      SWAGE_INLINE T swage_floor_##N(T x) { return __builtin_floor##S(x); } \
      SWAGE_INLINE T swage_ceil_##N(T x) { return __builtin_ceil##S(x); } \
      SWAGE_INLINE T swage_round_even_##N(T x) { return __builtin_rint##S(x); } \
      SWAGE_INLINE T swage_fmod_##N(T a, T b) { return __builtin_fmod##S(a, b); } \
      SWAGE_INLINE T swage_tan_##N(T x) { return __builtin_tan##S(x); } \
      SWAGE_INLINE T swage_asin_##N(T x) { return __builtin_asin##S(x); } \
      SWAGE_INLINE T swage_acos_##N(T x) { return __builtin_acos##S(x); } \
      SWAGE_INLINE T swage_atan_##N(T x) { return __builtin_atan##S(x); } \
      SWAGE_INLINE T swage_sinh_##N(T x) { return __builtin_sinh##S(x); } \
      SWAGE_INLINE T swage_cosh_##N(T x) { return __builtin_cosh##S(x); } \
      SWAGE_INLINE T swage_asinh_##N(T x) { return __builtin_asinh##S(x); } \
      SWAGE_INLINE T swage_acosh_##N(T x) { return __builtin_acosh##S(x); } \
      SWAGE_INLINE T swage_atanh_##N(T x) { return __builtin_atanh##S(x); }
    SWAGE_LIBRARY(float, f32, f)
    SWAGE_LIBRARY(double, f64, )
    SWAGE_INLINE double swage_exp_f64(double x) { return __builtin_exp(x); }
    SWAGE_INLINE double swage_exp_below_zero_f64(double x) { return __builtin_exp(x); }
    SWAGE_INLINE double swage_exp2_coarse_f64(double x) { return __builtin_exp2(x); }
    SWAGE_INLINE double swage_expm1_f64(double x) { return __builtin_expm1(x); }
    SWAGE_INLINE double swage_log_f64(double x) { return __builtin_log(x); }
    SWAGE_INLINE double swage_log1p_f64(double x) { return __builtin_log1p(x); }
    SWAGE_INLINE double swage_abs_f64(double x) { return __builtin_fabs(x); }
    SWAGE_INLINE double swage_sigmoid_f64(double x) { return 1.0 / (1.0 + __builtin_exp(-x)); }
    SWAGE_INLINE double swage_tanh_f64(double x) { return __builtin_tanh(x); }
    SWAGE_INLINE double swage_erf_f64(double x) { return __builtin_erf(x); }
    SWAGE_INLINE double swage_sin_f64(double x) { return __builtin_sin(x); }
    SWAGE_INLINE double swage_cos_f64(double x) { return __builtin_cos(x); }
    SWAGE_INLINE double swage_pow_f64(double x, double y) { return __builtin_pow(x, y); }
    SWAGE_INLINE double swage_mod_f64(double a, double b) {
      double rest = __builtin_fmod(a, b);
      if (rest == 0) return __builtin_copysign(0.0, b);
      return (rest < 0) != (b < 0) ? rest + b : rest;
    }
    SWAGE_INLINE float swage_mod_f32(float a, float b) { return (float)swage_mod_f64((double)a, (double)b); }
    #define SWAGE_SINGLE(x) x##f
    #define SWAGE_DOUBLE(x) x
    SWAGE_DERIVED(float, f32, f, SWAGE_SINGLE)
    SWAGE_DERIVED(double, f64, , SWAGE_DOUBLE)
    SWAGE_INLINE double swage_silu_f64(double x) { return x * swage_sigmoid_f64(x); }
    SWAGE_INLINE double swage_gelu_f64(double x) {
      return 0.5 * x * (1.0 + swage_erf_f64(x * 0.70710678118654752440));
    }
    SWAGE_INLINE double swage_gelu_tanh_f64(double x) {
      return x * swage_sigmoid_f64(x * (1.59576912160573071176 + 0.07135481627260025 * (x * x)));
    }
    SWAGE_INLINE double swage_sigmoid_coarse_f64(double x) { return swage_sigmoid_f64(x); }
    SWAGE_INLINE double swage_silu_coarse_f64(double x) { return swage_silu_f64(x); }
    SWAGE_INLINE double swage_gelu_coarse_f64(double x) { return swage_gelu_f64(x); }
    SWAGE_INLINE double swage_gelu_tanh_coarse_f64(double x) { return swage_gelu_tanh_f64(x); }

    """#
}
