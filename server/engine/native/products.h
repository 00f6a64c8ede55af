/* A matrix of bytes, halves (bfloat16) or floats times few rows of floats. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* With fewer weights than this, waking a second thread takes longer than it saves. */
#define LARGE (1 << 17)

/* So many tiles of weights are fetched before they are multiplied. */
#define AHEAD 2

#define INLINE static inline __attribute__((always_inline))

enum { BYTES, HALVES, FLOATS };

typedef struct {
    const void *weight;     /* (out, in) */
    const float *scale;     /* (out) for bytes, else NULL */
    const float *bias;      /* (out), or NULL */
    int32_t out, in, width; /* `in` is a multiple of 16; the width is one of the above */
} Matrix;

typedef struct {
    float *at;
    int64_t stride; /* from one row to the next */
} Rows;

/* Rows rounded to 16 bits, so that a product with a byte takes one instruction for 16 of them. */
typedef struct {
    int16_t *at;
    float *step; /* per row */
} Rounded;

INLINE float sum8(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static void round_rows(Rows x, Rounded to, int rows, int64_t in)
{
    /* a sum of `in` products, spread over 8 numbers, may not leave 32 bits */
    const float most = fminf(32767.0f, floorf(17179869184.0f / (127.0f * (float)in)));
    for (int row = 0; row < rows; row++) {
        const float *from = x.at + row * x.stride;
        float largest = 1e-30f;
        for (int64_t i = 0; i < in; i++)
            largest = fmaxf(largest, fabsf(from[i]));
        to.step[row] = largest / most;
        const __m256 factor = _mm256_set1_ps(most / largest);
        for (int64_t i = 0; i < in; i += 16) {
            __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i), factor));
            __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i + 8), factor));
            __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
            _mm256_storeu_si256((__m256i *)(to.at + row * in + i), both);
        }
    }
}

INLINE void keep(const Matrix *m, float *y, int out, float found, int adds)
{
    if (m->bias)
        found += m->bias[out];
    y[out] = adds ? y[out] + found : found;
}

INLINE __m256 weight8(const Matrix *m, int64_t at, int width)
{
    if (width == FLOATS)
        return _mm256_loadu_ps((const float *)m->weight + at);
    __m128i halves = _mm_loadu_si128((const __m128i *)((const uint16_t *)m->weight + at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/* `outs` outputs from `first` on, of `rows` rows; the sums stay in registers. */
INLINE void float_tile(const Matrix *m, Rows x, Rows y, int first, int outs, int rows, int adds,
                       int width)
{
    __m256 sum[4][4];
    for (int o = 0; o < outs; o++)
        for (int r = 0; r < rows; r++)
            sum[o][r] = _mm256_setzero_ps();
    const int64_t in = m->in, start = first * in, bytes = width == FLOATS ? 4 : 2;
    const char *next = (const char *)m->weight + (start + AHEAD * outs * in) * bytes;
    for (int64_t i = 0; i < in; i += 8, next += 8 * outs * bytes) {
        _mm_prefetch(next, _MM_HINT_T0);
        for (int o = 0; o < outs; o++) {
            __m256 weight = weight8(m, start + o * in + i, width);
            for (int r = 0; r < rows; r++)
                sum[o][r] = _mm256_fmadd_ps(
                    weight, _mm256_loadu_ps(x.at + r * x.stride + i), sum[o][r]);
        }
    }
    for (int o = 0; o < outs; o++)
        for (int r = 0; r < rows; r++)
            keep(m, y.at + r * y.stride, first + o, sum8(sum[o][r]), adds);
}

INLINE void half_tile(const Matrix *m, Rows x, Rows y, int first, int outs, int rows, int adds)
{
    float_tile(m, x, y, first, outs, rows, adds, HALVES);
}

INLINE void full_tile(const Matrix *m, Rows x, Rows y, int first, int outs, int rows, int adds)
{
    float_tile(m, x, y, first, outs, rows, adds, FLOATS);
}

INLINE void byte_tile(const Matrix *m, Rounded x, Rows y, int first, int outs, int rows, int adds)
{
    __m256i sum[4][4];
    for (int o = 0; o < outs; o++)
        for (int r = 0; r < rows; r++)
            sum[o][r] = _mm256_setzero_si256();
    const int8_t *weight = (const int8_t *)m->weight + (int64_t)first * m->in;
    const int8_t *next = weight + (int64_t)AHEAD * outs * m->in;
    for (int64_t i = 0; i < m->in; i += 16, next += 16 * outs) {
        _mm_prefetch((const char *)next, _MM_HINT_T0);
        for (int o = 0; o < outs; o++) {
            const __m128i *bytes = (const __m128i *)(weight + o * m->in + i);
            __m256i w = _mm256_cvtepi8_epi16(_mm_loadu_si128(bytes));
            for (int r = 0; r < rows; r++) {
                __m256i part = _mm256_loadu_si256((const __m256i *)(x.at + r * m->in + i));
                sum[o][r] = _mm256_add_epi32(sum[o][r], _mm256_madd_epi16(w, part));
            }
        }
    }
    for (int o = 0; o < outs; o++)
        for (int r = 0; r < rows; r++) {
            float found = sum8(_mm256_cvtepi32_ps(sum[o][r])) * x.step[r] * m->scale[first + o];
            keep(m, y.at + r * y.stride, first + o, found, adds);
        }
}

/* Two outputs of four rows, or four of one, leave enough of the 16 registers for the inputs. */
#define TILES(tile, x_from)                                                             \
    for (int r = 0; r < rows; r += 4) {                                                 \
        Rows to = {y.at + r * y.stride, y.stride};                                      \
        const int more = rows - r;                                                      \
        for (int o = first; o < end;) {                                                 \
            if (more == 1 && end - o >= 4) { tile(m, x_from, to, o, 4, 1, adds); o += 4; } \
            else if (end - o >= 2) { ROWS(tile, x_from, 2); o += 2; }                   \
            else { ROWS(tile, x_from, 1); o += 1; }                                     \
        }                                                                               \
    }
#define ROWS(tile, x_from, outs)                                                        \
    if (more == 1) tile(m, x_from, to, o, outs, 1, adds);                               \
    else if (more == 2) tile(m, x_from, to, o, outs, 2, adds);                          \
    else if (more == 3) tile(m, x_from, to, o, outs, 3, adds);                          \
    else tile(m, x_from, to, o, outs, 4, adds)

/* y = x @ weight.T + bias, or added to y. */
static void multiply(const Matrix *m, Rows x, Rows y, int rows, int adds, int threads)
{
    const int tiles = (m->out + 7) / 8, is_large = (int64_t)m->out * m->in > LARGE;
    Rounded rounded = {NULL, NULL};
    if (m->width == BYTES) {
        rounded.step = malloc(rows * (sizeof(float) + m->in * sizeof(int16_t)));
        rounded.at = (int16_t *)(rounded.step + rows);
        round_rows(x, rounded, rows, m->in);
    }
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1 && is_large)
    for (int t = 0; t < tiles; t++) {
        const int first = t * 8, end = m->out - first < 8 ? m->out : first + 8;
        if (m->width == BYTES) {
            TILES(byte_tile, ((Rounded){rounded.at + r * (int64_t)m->in, rounded.step + r}))
        } else if (m->width == HALVES) {
            TILES(half_tile, ((Rows){x.at + r * x.stride, x.stride}))
        } else {
            TILES(full_tile, ((Rows){x.at + r * x.stride, x.stride}))
        }
    }
    free(rounded.step);
}
