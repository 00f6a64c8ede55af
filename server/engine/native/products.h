/* A matrix of bytes, halves (bfloat16) or floats times rows of floats. */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* With fewer weights than this, waking a second thread takes longer than it saves. */
#define LARGE (1 << 17)

/* More rows than this are many: the arithmetic decides, no longer the bytes of the weights. */
#define FEW 16

/* So many outputs of so many rows are summed at a time: what 16 registers hold. Products of bytes
   need one more of them. */
#define OUTS 16
#define ROWS 6
#define BYTE_ROWS 5

/* So many numbers are multiplied before the next: of many rows what the caches hold, of bytes what
   can be summed in 32 bits. */
#define COLUMNS 256
#define BYTE_COLUMNS 1024

/* Row after row: mixed by the compiler, the sums no longer fit the registers. */
#define IN_REGISTERS(a, b) __asm__ volatile("" : "+x"(a), "+x"(b))

#define INLINE static inline __attribute__((always_inline))

enum { BYTES, HALVES, FLOATS };

typedef struct {
    const void *weight;     /* (panels, in, OUTS), of bytes (panels, in / 2, OUTS, 2) */
    const float *scale;     /* (panels, OUTS) for bytes, else NULL */
    const float *bias;      /* (panels, OUTS), or NULL */
    int32_t out, in, width; /* `in` is a multiple of 16; the width is one of the above */
} Matrix;                   /* the last panel is filled up with zeros */

typedef struct {
    float *at;
    int64_t stride; /* from one row to the next */
} Rows;

/* BYTE_ROWS rows rounded to 16 bits: one instruction makes 16 products and adds them in pairs. */
typedef struct {
    const int16_t *at; /* (in / 2, BYTE_ROWS, 2) */
    const float *step; /* per row */
} Rounded;

typedef struct {
    int64_t from, to;
} Range;

/* Beginning with a line of the cache. */
INLINE float *floats(int64_t count)
{
    return aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
}

INLINE float sum8(__m256 v)
{
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

INLINE float most8(__m256 v)
{
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

/* Numbers of at most `most`, in pairs that lie BYTE_ROWS pairs apart. */
static void round_row(const float *from, int16_t *to, float *step, int64_t in, float most)
{
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 found = _mm256_set1_ps(1e-30f);
    for (int64_t i = 0; i < in; i += 8)
        found = _mm256_max_ps(_mm256_andnot_ps(sign, _mm256_loadu_ps(from + i)), found);
    const float largest = most8(found);
    *step = largest / most;
    const __m256 factor = _mm256_set1_ps(most / largest);
    for (int64_t i = 0; i < in; i += 16) {
        int32_t pairs[8];
        __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i), factor));
        __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from + i + 8), factor));
        __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
        _mm256_storeu_si256((__m256i *)pairs, both);
        for (int pair = 0; pair < 8; pair++, to += 2 * BYTE_ROWS)
            memcpy(to, pairs + pair, sizeof(*pairs));
    }
}

/* Writes or adds the outputs of one panel, of which the last may have fewer. */
INLINE void keep(float *y, __m256 low, __m256 high, int outs, int adds)
{
    float found[OUTS];
    float *to = outs < OUTS ? found : y;
    if (outs < OUTS && adds)
        memcpy(found, y, outs * sizeof(float));
    _mm256_storeu_ps(to, adds ? _mm256_add_ps(_mm256_loadu_ps(to), low) : low);
    _mm256_storeu_ps(to + 8, adds ? _mm256_add_ps(_mm256_loadu_ps(to + 8), high) : high);
    if (outs < OUTS)
        memcpy(y, found, outs * sizeof(float));
}

/* Two inputs' weights of eight outputs. */
INLINE __m256i pairs8(const int8_t *at)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)at));
}

/* One panel's outputs of `rows` rounded rows. */
INLINE void byte_tile(const Matrix *m, int64_t first, Rounded x, Rows y, int rows, Range part,
                      int adds)
{
    __m256i low[BYTE_ROWS], high[BYTE_ROWS];
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++)
        low[r] = high[r] = _mm256_setzero_si256();
    const int8_t *weight = (const int8_t *)m->weight + first * m->in + part.from * OUTS;
    const int16_t *pair = x.at + part.from * BYTE_ROWS;
    for (int64_t i = part.from; i < part.to; i += 2, weight += 2 * OUTS, pair += 2 * BYTE_ROWS) {
        const __m256i a = pairs8(weight), b = pairs8(weight + OUTS);
#pragma GCC unroll 5
        for (int r = 0; r < rows; r++) {
            int32_t two;
            memcpy(&two, pair + 2 * r, sizeof(two));
            const __m256i both = _mm256_set1_epi32(two);
            low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(a, both));
            high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(b, both));
            IN_REGISTERS(low[r], high[r]);
        }
    }
    const float *scale = m->scale + first;
    const float *bias = m->bias && part.from == 0 ? m->bias + first : NULL;
#pragma GCC unroll 5
    for (int r = 0; r < rows; r++) {
        const __m256 step = _mm256_set1_ps(x.step[r]);
        __m256 sums[2] = {_mm256_cvtepi32_ps(low[r]), _mm256_cvtepi32_ps(high[r])};
        for (int half = 0; half < 2; half++) {
            const __m256 factor = _mm256_mul_ps(_mm256_loadu_ps(scale + 8 * half), step);
            sums[half] = _mm256_mul_ps(sums[half], factor);
            if (bias)
                sums[half] = _mm256_add_ps(sums[half], _mm256_loadu_ps(bias + 8 * half));
        }
        keep(y.at + r * y.stride + first, sums[0], sums[1], m->out - first, adds || part.from);
    }
}

INLINE __m256 weight8(const Matrix *m, int64_t at, int width)
{
    if (width == FLOATS)
        return _mm256_loadu_ps((const float *)m->weight + at);
    __m128i halves = _mm_loadu_si128((const __m128i *)((const uint16_t *)m->weight + at));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/* The outputs of some panels of `rows` rows: eight sums at a time hide the wait for each. */
INLINE void tile(const Matrix *m, int64_t first, Rows x, Rows y, int panels, int rows, int adds,
                 int width)
{
    __m256 low[4][ROWS], high[4][ROWS];
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++)
            low[p][r] = high[p][r] = _mm256_setzero_ps();
    const int64_t in = m->in;
    for (int64_t i = 0; i < in; i++) {
#pragma GCC unroll 4
        for (int p = 0; p < panels; p++) {
            const int64_t at = (first + p * OUTS) * in + i * OUTS;
            const __m256 a = weight8(m, at, width), b = weight8(m, at + 8, width);
#pragma GCC unroll 6
            for (int r = 0; r < rows; r++) {
                const __m256 of_row = _mm256_broadcast_ss(x.at + r * x.stride + i);
                low[p][r] = _mm256_fmadd_ps(a, of_row, low[p][r]);
                high[p][r] = _mm256_fmadd_ps(b, of_row, high[p][r]);
            }
        }
    }
#pragma GCC unroll 4
    for (int p = 0; p < panels; p++) {
        const int64_t out = first + p * OUTS;
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            if (m->bias) {
                low[p][r] = _mm256_add_ps(low[p][r], _mm256_loadu_ps(m->bias + out));
                high[p][r] = _mm256_add_ps(high[p][r], _mm256_loadu_ps(m->bias + out + 8));
            }
            keep(y.at + r * y.stride + out, low[p][r], high[p][r], m->out - out, adds);
        }
    }
}

/* ROWS rows of x (in) times b (in, OUTS); but for the first `known` of the rows, the products are
   kept. */
INLINE void float_tile(const float *x, int64_t next_row, int64_t next_in, const float *b,
                       int64_t next, int64_t in, const float *bias, Rows y, int known, int outs,
                       int adds)
{
    __m256 low[ROWS], high[ROWS];
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
        __builtin_prefetch(y.at + r * y.stride, 1);
        low[r] = bias ? _mm256_loadu_ps(bias) : _mm256_setzero_ps();
        high[r] = bias ? _mm256_loadu_ps(bias + 8) : _mm256_setzero_ps();
    }
    for (int64_t i = 0; i < in; i++, x += next_in, b += next) {
        const __m256 first = _mm256_loadu_ps(b), second = _mm256_loadu_ps(b + 8);
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; r++) {
            const __m256 one = _mm256_broadcast_ss(x + r * next_row);
            low[r] = _mm256_fmadd_ps(first, one, low[r]);
            high[r] = _mm256_fmadd_ps(second, one, high[r]);
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++)
        if (r >= known)
            keep(y.at + r * y.stride, low[r], high[r], outs, adds);
}

/* One panel's weights as floats: (in, OUTS). */
INLINE void expand(const Matrix *m, int64_t first, Range part, float *to)
{
    const int64_t end = first * m->in + part.to * OUTS;
    for (int64_t at = first * m->in + part.from * OUTS; at < end; at += 8, to += 8)
        _mm256_storeu_ps(to, weight8(m, at, m->width));
}

/* Where the ROWS rows from `row` on begin, if they may not end after the last of `rows`. */
INLINE int within(int row, int rows)
{
    return row < rows - ROWS ? row : rows - ROWS;
}

static void multiply_many(const Matrix *m, Rows x, Rows y, int rows, int adds, int threads)
{
    const int64_t in = m->in;
#pragma omp parallel num_threads(threads) if (threads > 1)
    /* a part of the rows stays in the second cache; each thread keeps its panels */
    for (Range part = {0, 0}; part.from < in; part.from = part.to) {
        part.to = part.from + COLUMNS < in ? part.from + COLUMNS : in;
#pragma omp for schedule(static) nowait
        for (int first = 0; first < m->out; first += OUTS) {
            const float *bias = m->bias && part.from == 0 ? m->bias + first : NULL;
            float weight[COLUMNS * OUTS] __attribute__((aligned(64)));
            expand(m, first, part, weight);
            for (int row = 0; row < rows; row += ROWS) {
                const int at = within(row, rows);
                const Rows to = {y.at + at * y.stride + first, y.stride};
                float_tile(x.at + at * x.stride + part.from, x.stride, 1, weight, OUTS,
                           part.to - part.from, bias, to, row - at, m->out - first,
                           adds || part.from);
            }
        }
    }
}

static void multiply_bytes(const Matrix *m, Rows x, Rows y, int rows, int adds, int threads)
{
    const int64_t in = m->in, columns = in < BYTE_COLUMNS ? in : BYTE_COLUMNS;
    const int groups = (rows + BYTE_ROWS - 1) / BYTE_ROWS;
    const float most = fminf(32767.0f, floorf(2147483520.0f / (127.0f * (float)columns)));
    float *steps = floats(rows + groups * BYTE_ROWS * in / 2);
    int16_t *rounded = (int16_t *)(steps + rows);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(static)
        for (int row = 0; row < rows; row++)
            round_row(x.at + row * x.stride,
                      rounded + row / BYTE_ROWS * BYTE_ROWS * in + row % BYTE_ROWS * 2, steps + row,
                      in, most);
#pragma omp for schedule(static)
        for (int first = 0; first < m->out; first += OUTS)
            for (Range part = {0, 0}; part.from < in; part.from = part.to) {
                part.to = part.from + columns < in ? part.from + columns : in;
                for (int row = 0; row < rows; row += BYTE_ROWS) {
                    const Rounded from = {rounded + row * in, steps + row};
                    const Rows to = {y.at + row * y.stride, y.stride};
                    switch (rows - row) {
                    case 1: byte_tile(m, first, from, to, 1, part, adds); break;
                    case 2: byte_tile(m, first, from, to, 2, part, adds); break;
                    case 3: byte_tile(m, first, from, to, 3, part, adds); break;
                    case 4: byte_tile(m, first, from, to, 4, part, adds); break;
                    default: byte_tile(m, first, from, to, BYTE_ROWS, part, adds);
                    }
                }
            }
    }
    free(steps);
}

/* Panels from `first` to `end`; of one or two rows several at a time. */
INLINE void tiles(const Matrix *m, int first, int end, Rows x, Rows y, int rows, int adds,
                  int width)
{
#define TILE(panels, rows) tile(m, out, x, y, panels, rows, adds, width)
    for (; rows > 0; rows -= ROWS, x.at += ROWS * x.stride, y.at += ROWS * y.stride)
        for (int out = first, together; out < end; out += together * OUTS) {
            const int left = (end - out + OUTS - 1) / OUTS;
            together = rows == 1 && left >= 4 ? 4 : rows <= 2 && left >= 2 ? 2 : 1;
            switch (together * 10 + (rows < ROWS ? rows : ROWS)) {
            case 41: TILE(4, 1); break;
            case 21: TILE(2, 1); break;
            case 22: TILE(2, 2); break;
            case 11: TILE(1, 1); break;
            case 12: TILE(1, 2); break;
            case 13: TILE(1, 3); break;
            case 14: TILE(1, 4); break;
            case 15: TILE(1, 5); break;
            default: TILE(1, ROWS);
            }
        }
#undef TILE
}

static void multiply_floats(const Matrix *m, Rows x, Rows y, int rows, int adds, int threads)
{
    const int together = 4 * OUTS, parts = (m->out + together - 1) / together;
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int part = 0; part < parts; part++) {
        const int first = part * together;
        const int end = m->out - first < together ? m->out : first + together;
        if (m->width == HALVES)
            tiles(m, first, end, x, y, rows, adds, HALVES);
        else
            tiles(m, first, end, x, y, rows, adds, FLOATS);
    }
}

/* y = x @ weight.T + bias, or added to y. */
static void multiply(const Matrix *m, Rows x, Rows y, int rows, int adds, int threads)
{
    if (rows <= FEW && (int64_t)m->out * m->in <= LARGE)
        threads = 1;
    if (m->width == BYTES)
        multiply_bytes(m, x, y, rows, adds, threads);
    else
        (rows > FEW ? multiply_many : multiply_floats)(m, x, y, rows, adds, threads);
}
