/* Rows through all layers of a Llama or Qwen model, without a call per operation.

   What `decoder.py` and `decoder_sequence.py` say in torch, said again for AVX2. */

#ifdef _OPENMP
#include <omp.h>
#define thread omp_get_thread_num
#else
#define thread() 0
#endif

#include "products.h"

/* Scores are written so many at a time, and rows of them begin in different banks of the cache. */
#define ROOM (2 * OUTS + 2)

typedef struct {
    const float *weight; /* NULL: no norm */
    float epsilon;
} Norm;

typedef struct {
    Norm before_attention, query_norm, key_norm, before_mlp;
    Matrix queries_keys_values, after_attention, gate_up, down;
} Block;

typedef struct {
    const Block *blocks;
    Norm last_norm;
    int32_t layers, width, heads, key_heads, head_width, mlp_width, threads;
} Model;

typedef struct {
    float *const *keys, *const *values; /* per layer (key heads, room, head width) */
    const float *cosine, *sine;         /* (room, head width); the sines are signed */
    int64_t room;
} State;

INLINE __m256 exp8(__m256 x)
{
    x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(88.0f)), _mm256_set1_ps(-87.0f));
    __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), 8);
    x = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
    x = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), x);
    const float series[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                            4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
    __m256 sum = _mm256_set1_ps(series[0]);
    for (int i = 1; i < 6; i++)
        sum = _mm256_fmadd_ps(sum, x, _mm256_set1_ps(series[i]));
    sum = _mm256_fmadd_ps(sum, _mm256_mul_ps(x, x), _mm256_add_ps(x, _mm256_set1_ps(1.0f)));
    __m256i power = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(sum, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
}

INLINE float dot(const float *a, const float *b, int64_t count)
{
    __m256 sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < count; i += 8)
        sum = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), sum);
    return sum8(sum);
}

static void normed(Norm norm, const float *x, float *y, int64_t width)
{
    float factor = 1.0f / sqrtf(dot(x, x, width) / (float)width + norm.epsilon);
    for (int64_t i = 0; i < width; i++)
        y[i] = x[i] * factor * norm.weight[i];
}

static void turned(float *head, const float *cosine, const float *sine, int64_t width)
{
    for (int64_t i = 0, half = width / 2; i < half; i++) {
        float a = head[i], b = head[i + half];
        head[i] = a * cosine[i] + b * sine[i];
        head[i + half] = b * cosine[i + half] + a * sine[i + half];
    }
}

/* Scores of two queries against `tokens` keys; a key is loaded once for both. */
static void score(const float *const query[2], const float *keys, float *const scores[2],
                  int64_t tokens, int64_t width)
{
    const __m128 factor = _mm_set1_ps(1.0f / sqrtf((float)width));
    for (int64_t t = 0; t < tokens; t += 4) {
        const float *key[4];
        __m256 sum[2][4];
        for (int k = 0; k < 4; k++) {
            key[k] = keys + (t + k < tokens ? t + k : t) * width;
            sum[0][k] = sum[1][k] = _mm256_setzero_ps();
        }
        for (int64_t i = 0; i < width; i += 8)
            for (int k = 0; k < 4; k++) {
                __m256 part = _mm256_loadu_ps(key[k] + i);
                sum[0][k] = _mm256_fmadd_ps(part, _mm256_loadu_ps(query[0] + i), sum[0][k]);
                sum[1][k] = _mm256_fmadd_ps(part, _mm256_loadu_ps(query[1] + i), sum[1][k]);
            }
        for (int q = 0; q < 2; q++) {
            __m256 *s = sum[q], low = _mm256_hadd_ps(s[0], s[1]), high = _mm256_hadd_ps(s[2], s[3]);
            __m256 both = _mm256_hadd_ps(low, high);
            __m128 four = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
            _mm_storeu_ps(scores[q] + t, _mm_mul_ps(four, factor));
        }
    }
}

/* The first `tokens` of the scores are raised to powers, whose sum is returned; the others are
   zeros. */
static float raised(float *scores, int64_t tokens, int64_t all)
{
    for (int64_t t = tokens; t < all + 8; t++)
        scores[t] = -INFINITY;
    __m256 most = _mm256_loadu_ps(scores), total = _mm256_setzero_ps();
    for (int64_t t = 8; t < tokens; t += 8)
        most = _mm256_max_ps(most, _mm256_loadu_ps(scores + t));
    most = _mm256_set1_ps(most8(most));
    for (int64_t t = 0; t < tokens; t += 8)
        _mm256_storeu_ps(scores + t, exp8(_mm256_sub_ps(_mm256_loadu_ps(scores + t), most)));
    for (int64_t t = tokens; t < all + 8; t++)
        scores[t] = 0.0f;
    for (int64_t t = 0; t < tokens; t += 8)
        total = _mm256_add_ps(total, _mm256_loadu_ps(scores + t));
    return sum8(total);
}

/* The first `tokens` of the scores become weights that sum to one, the others zeros. */
static void weigh(float *scores, int64_t tokens, int64_t all)
{
    const __m256 share = _mm256_set1_ps(1.0f / raised(scores, tokens, all));
    for (int64_t t = 0; t < tokens; t += 8)
        _mm256_storeu_ps(scores + t, _mm256_mul_ps(_mm256_loadu_ps(scores + t), share));
}

/* The values' sums by the weights of two queries, 32 of their numbers at a time. */
static void gather(float *const weights[2], const float *values, float *const seen[2],
                   int64_t tokens, int64_t width)
{
    for (int64_t i = 0; i < width; i += 32) {
        __m256 sum[2][4];
        for (int k = 0; k < 4; k++)
            sum[0][k] = sum[1][k] = _mm256_setzero_ps();
        for (int64_t t = 0; t < tokens; t++) {
            __m256 a = _mm256_set1_ps(weights[0][t]), b = _mm256_set1_ps(weights[1][t]);
            for (int k = 0; k < 4; k++) {
                const float *from = values + t * width + i + 8 * k;
                __m256 value = _mm256_loadu_ps(from);
                sum[0][k] = _mm256_fmadd_ps(a, value, sum[0][k]);
                sum[1][k] = _mm256_fmadd_ps(b, value, sum[1][k]);
            }
        }
        for (int q = 0; q < 2; q++)
            for (int k = 0; k < 4; k++)
                _mm256_storeu_ps(seen[q] + i + 8 * k, sum[q][k]);
    }
}

/* Each row's queries see the tokens up to its own; those that share keys go two by two. */
static void attend_few(const Model *m, const State *s, int layer, Rows found, Rows seen,
                       float *workspace, int start, int rows)
{
    const int64_t width = m->head_width, room = start + rows + ROOM;
    const int shared = m->heads / m->key_heads, queries = rows * shared, pairs = (queries + 1) / 2;
#pragma omp parallel for schedule(static) num_threads(m->threads) if (m->threads > 1)
    for (int pair = 0; pair < m->key_heads * pairs; pair++) {
        const int key_head = pair / pairs;
        const float *query[2];
        float *scores[2], *target[2];
        int64_t tokens[2];
        for (int i = 0; i < 2; i++) {
            int q = 2 * (pair % pairs) + i < queries ? 2 * (pair % pairs) + i : queries - 1;
            int row = q / shared, head = key_head * shared + q % shared;
            query[i] = found.at + row * found.stride + head * width;
            target[i] = seen.at + row * seen.stride + head * width;
            scores[i] = workspace + (2 * thread() + i) * room;
            tokens[i] = start + row + 1;
        }
        const int64_t at = key_head * s->room * width;
        score(query, s->keys[layer] + at, scores, tokens[1], width);
        weigh(scores[0], tokens[0], tokens[1]);
        weigh(scores[1], tokens[1], tokens[1]);
        gather(scores, s->values[layer] + at, target, tokens[1], width);
    }
}

/* keys (tokens, width) as panels (tokens / OUTS, width, OUTS). */
static void turn_keys(const float *keys, float *to, int64_t tokens, int64_t width)
{
    for (int64_t t = 0; t < tokens; t += OUTS, to += OUTS * width)
        for (int64_t i = 0; i < width; i++)
            for (int64_t k = 0; k < OUTS; k++)
                to[i * OUTS + k] = t + k < tokens ? keys[(t + k) * width + i] : 0.0f;
}

/* The same for many rows, ROWS queries at a time. */
static void attend_many(const Model *m, const State *s, int layer, Rows found, Rows seen,
                        float *workspace, int start, int rows)
{
    const int64_t width = m->head_width, room = start + rows + ROOM;
    const int shared = m->heads / m->key_heads, queries = rows * shared;
    const int groups = (queries + ROWS - 1) / ROWS;
    const float scale = 1.0f / sqrtf((float)width);
    float *turned = workspace + m->threads * ROWS * (width + room);
#pragma omp parallel num_threads(m->threads) if (m->threads > 1)
    {
#pragma omp for schedule(static)
        for (int head = 0; head < m->key_heads; head++)
            turn_keys(s->keys[layer] + head * s->room * width, turned + head * room * width,
                      start + rows, width);
#pragma omp for schedule(dynamic, 8)
        for (int group = 0; group < m->key_heads * groups; group++) {
            const int key_head = group / groups, next = group % groups * ROWS;
            const int first = within(next, queries), known = next - first;
            const int64_t all = start + (first + ROWS - 1) / shared + 1;
            const float *keys = turned + key_head * room * width;
            const float *values = s->values[layer] + key_head * s->room * width;
            float *query = workspace + thread() * ROWS * (width + room);
            float *scores = query + ROWS * width, *target[ROWS], sums[ROWS * OUTS], share[ROWS];
            for (int r = 0; r < ROWS; r++) {
                const int row = (first + r) / shared;
                const int head = key_head * shared + (first + r) % shared;
                const float *from = found.at + row * found.stride + head * width;
                target[r] = seen.at + row * seen.stride + head * width;
                for (int64_t i = 0; i < width; i++)
                    query[i * ROWS + r] = from[i] * scale;
            }
            for (int64_t t = 0; t < all; t += OUTS)
                float_tile(query, 1, ROWS, keys + t * width, OUTS, width, NULL,
                           (Rows){scores + t, room}, known, OUTS, 0);
            for (int r = known; r < ROWS; r++)
                share[r] = 1.0f / raised(scores + r * room, start + (first + r) / shared + 1, all);
            for (int64_t at = 0; at < width; at += OUTS) {
                float_tile(scores, room, 1, values + at, width, all, NULL, (Rows){sums, OUTS},
                           known, OUTS, 0);
                for (int r = known; r < ROWS; r++)
                    for (int i = 0; i < OUTS; i++)
                        target[r][at + i] = sums[r * OUTS + i] * share[r];
            }
        }
    }
}

/* Turns queries and keys, and keeps keys and values for later rows. */
static void remember(const Model *m, const State *s, int layer, Rows found, int start, int rows)
{
    const Block *b = m->blocks + layer;
    const int64_t width = m->head_width;
#pragma omp parallel for schedule(static) num_threads(m->threads) if (m->threads > 1 && rows > FEW)
    for (int row = 0; row < rows; row++) {
        const int64_t at = (start + row) * width;
        float *head = found.at + row * found.stride;
        for (int h = 0; h < m->heads + 2 * m->key_heads; h++, head += width) {
            int key = h - m->heads, value = key - m->key_heads;
            Norm norm = key < 0 ? b->query_norm : b->key_norm;
            if (value < 0 && norm.weight)
                normed(norm, head, head, width);
            if (value < 0)
                turned(head, s->cosine + at, s->sine + at, width);
            if (key < 0)
                continue;
            float *kept = value < 0 ? s->keys[layer] : s->values[layer];
            kept += (value < 0 ? key : value) * s->room * width;
            memcpy(kept + at, head, width * sizeof(float));
        }
    }
}

static void gated(Rows gate_up, int rows, int64_t width, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1 && rows > FEW)
    for (int row = 0; row < rows; row++) {
        float *gate = gate_up.at + row * gate_up.stride;
        for (int64_t i = 0; i < width; i += 8) {
            __m256 x = _mm256_loadu_ps(gate + i);
            __m256 power = exp8(_mm256_sub_ps(_mm256_setzero_ps(), x));
            __m256 below = _mm256_add_ps(power, _mm256_set1_ps(1.0f));
            x = _mm256_mul_ps(_mm256_div_ps(x, below), _mm256_loadu_ps(gate + width + i));
            _mm256_storeu_ps(gate + i, x);
        }
    }
}

static void normed_rows(Norm norm, Rows x, Rows y, int rows, int threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1 && rows > FEW)
    for (int row = 0; row < rows; row++)
        normed(norm, x.at + row * x.stride, y.at + row * y.stride, x.stride);
}

/* states (rows, width): embeddings of the tokens from `start` on; afterwards the last `wanted` of
   them are the last states, normed. */
void read_rows(const Model *m, const State *s, float *states, int start, int rows, int wanted)
{
    const int64_t width = m->width, seen_width = m->heads * m->head_width;
    const int64_t found_width = seen_width + 2 * m->key_heads * m->head_width;
    const int64_t inner_width = 2 * m->mlp_width, room = start + rows + ROOM;
    const int64_t looking = m->threads * ROWS * (m->head_width + room) +
                            m->key_heads * m->head_width * room;
    float *workspace = floats(rows * (width + found_width + seen_width + inner_width) + looking);
    Rows x = {states, width}, level = {workspace, width};
    Rows found = {level.at + rows * width, found_width};
    Rows seen = {found.at + rows * found_width, seen_width};
    Rows inner = {seen.at + rows * seen_width, inner_width};
    float *scores = inner.at + rows * inner_width;
    for (int layer = 0; layer < m->layers; layer++) {
        const Block *b = m->blocks + layer;
        normed_rows(b->before_attention, x, level, rows, m->threads);
        multiply(&b->queries_keys_values, level, found, rows, 0, m->threads);
        remember(m, s, layer, found, start, rows);
        if (layer == m->layers - 1) { /* of the others nothing more is wanted */
            x.at += (rows - wanted) * x.stride;
            found.at += (rows - wanted) * found.stride;
            start += rows - wanted;
            rows = wanted;
        }
        (rows > FEW ? attend_many : attend_few)(m, s, layer, found, seen, scores, start, rows);
        multiply(&b->after_attention, seen, x, rows, 1, m->threads);
        normed_rows(b->before_mlp, x, level, rows, m->threads);
        multiply(&b->gate_up, level, inner, rows, 0, m->threads);
        gated(inner, rows, m->mlp_width, m->threads);
        multiply(&b->down, inner, x, rows, 1, m->threads);
    }
    normed_rows(m->last_norm, x, x, rows, m->threads);
    free(workspace);
}

void product(const Matrix *m, float *x, float *y, int rows, int threads)
{
    multiply(m, (Rows){x, m->in}, (Rows){y, m->out}, rows, 0, threads);
}

/* `count` of the largest of `all` numbers: their places go to `best`, a heap, the least on top. */
static void largest(const float *numbers, int all, int *best, int count)
{
    for (int i = 0; i < all; i++) {
        int at = i;
        if (i >= count) {
            if (numbers[i] <= numbers[best[0]])
                continue;
            at = 0;
        }
        if (at) { /* upwards from the end */
            for (; at && numbers[best[(at - 1) / 2]] > numbers[i]; at = (at - 1) / 2)
                best[at] = best[(at - 1) / 2];
        } else if (i) { /* downwards from the top */
            for (int child; (child = 2 * at + 1) < count; at = child) {
                if (child + 1 < count && numbers[best[child + 1]] < numbers[best[child]])
                    child++;
                if (numbers[best[child]] >= numbers[i])
                    break;
                best[at] = best[child];
            }
        }
        best[at] = i;
    }
}

/* A product whose `count` best outputs of each row are computed again from the exact weights. */
void rescored(const Matrix *m, const float *exact, float *x, float *y, int rows, int count,
              int threads)
{
    product(m, x, y, rows, threads);
    int best[count];
    for (int row = 0; row < rows; row++, x += m->in, y += m->out) {
        largest(y, m->out, best, count);
        for (int i = 0; i < count; i++)
            y[best[i]] = dot(exact + best[i] * (int64_t)m->in, x, m->in) +
                         (m->bias ? m->bias[best[i]] : 0.0f);
    }
}

int is_supported(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
