/*
 * mixed: lanes in lock step. A round asks the model for the predictions of one step, or, since
 * the encoder knows the text, of several; then its steps are coded one after the other, lane by
 * lane, and the bias learns from each step when all of it is coded.
 */
#include "mixed.h"

#include "bias.h"
#include "choice.h"

enum {
    LANE_TOKENS = 4096, /* of a lane, by default */
    WINDOW_DEFAULT = 2048,
    WINDOW_MOST = 8192,
    ROUND_ROWS = 32, /* the encoder looks so many rows ahead in all */
    LEARN_STRINGS = 4096,
    CHECK_ROUNDS = 16,
    CUT_LOOKS = 64,   /* tokens that are tried as a lane's first */
    PRIME_TICK = 256, /* tokens of a dictionary between two ticks */
    SEEN_PART = 4     /* of the window: what a dictionary's last tokens may fill */
};

typedef struct lane {
    az_cm_lane *cm;
    az_lm_cache *cache;
    const uint32_t *tokens; /* encoder: strings' numbers, [n_tokens] */
    uint32_t n_tokens;
    uint32_t end;         /* in the block */
    uint32_t n_coded;     /* tokens */
    uint32_t n_fed;       /* tokens that the cache has seen, the start included */
    uint32_t *latest;     /* [overlap] ring of tokens coded, for feeding again */
    uint32_t rows, first; /* in this round: rows that predict, and where their frequencies begin */
    bool done;
} lane;

struct az_mixed {
    az_heap *heap;
    az_lm_server *server;
    const az_vocabulary *vocabulary;
    az_cm *cm;
    az_span cm_most; /* that cm takes */
    uint8_t *cm_lanes;
    lane lanes[AZ_MIXED_LANES_MAX];
    uint32_t n_lanes;
    bool check;
    az_trace *trace;   /* or NULL */
    uint64_t n_rounds; /* of this block */
    uint32_t n_caches; /* lanes that have one, of this window and run */
    uint32_t window, max_run, overlap;
    bool rolls; /* the model: its windows don't begin anew */
    az_bias bias;
    uint32_t *freq; /* [freq_rows][stride] */
    size_t freq_rows;
    uint64_t *sums; /* [n_lanes][n_strings + 1] */
    size_t sums_rows;
    az_lm_row *rows; /* [rows_max] of a round */
    bool *wanted;
    size_t rows_max;
    uint32_t came[AZ_MIXED_LANES_MAX]; /* the string of each lane in this step, or none */
    uint32_t *ids;                     /* encoder: [content_nbytes] */
    uint8_t *history;                  /* encoder: the dictionary, and behind it what is coded */
    uint32_t *seen;                    /* strings' numbers of the end of the dictionary, [n_seen] */
    uint32_t n_seen; /* those that the contexts see; the model's are the last of them */
    uint32_t dictionary_nbytes;
    const az_mixed_choice *choice; /* sampling: or NULL */
    uint64_t *masses;              /* [n_strings] for that */
    bool is_message;               /* ends with a line end */
    bool ended;
    az_lm_cache *kept;     /* what the model made of a dictionary's tokens, to be copied, */
    uint32_t *kept_tokens; /* [n_kept] */
    uint32_t n_kept, kept_window, kept_run;
    uint32_t before; /* token that is before each lane: the model's start, or the last one seen */
};

/* ---- Memory ------------------------------------------------------------------------- */

static size_t sums_stride(const az_mixed *m) {
    return m->vocabulary->strings.n + 1;
}

az_status az_mixed_open(az_mixed **out, az_lm_server *server, az_heap *heap, az_error *error) {
    az_mixed *m = az_alloc(heap, sizeof *m);
    *out = m;
    if (!m)
        return az_alloc_failed(heap, sizeof *m, error);
    m->heap = heap;
    m->server = server;
    m->vocabulary = az_lm_server_vocabulary(server);
    m->rolls = az_lm_get_info(az_lm_server_model(server))->rolls;
    size_t n = m->vocabulary->strings.n;
    m->bias.factors = az_alloc(heap, n * sizeof *m->bias.factors);
    m->bias.rates = az_alloc(heap, n * sizeof *m->bias.rates);
    m->bias.counts = az_alloc(heap, n * sizeof *m->bias.counts);
    if (m->bias.factors && m->bias.rates && m->bias.counts)
        return AZ_OK;
    az_mixed_close(out);
    return az_alloc_failed(heap, n * sizeof *m->bias.factors, error);
}

void az_mixed_check(az_mixed *m, bool check) {
    m->check = check;
}

void az_mixed_trace(az_mixed *m, az_trace *trace) {
    m->trace = trace;
}

static void close_caches(az_mixed *m) {
    for (uint32_t i = 0; i < m->n_caches; i++) {
        az_lm_cache_close(&m->lanes[i].cache);
        az_free(m->heap, m->lanes[i].latest);
        m->lanes[i].latest = NULL;
    }
    m->n_caches = 0;
}

static void forget_kept(az_mixed *m) {
    az_lm_cache_close(&m->kept);
    az_free(m->heap, m->kept_tokens);
    m->kept_tokens = NULL;
    m->n_kept = 0;
}

void az_mixed_close(az_mixed **out) {
    az_mixed *m = *out;
    *out = NULL;
    if (!m)
        return;
    close_caches(m);
    forget_kept(m);
    az_cm_close(&m->cm);
    az_heap *heap = m->heap;
    az_free(heap, m->cm_lanes);
    az_free(heap, m->bias.factors);
    az_free(heap, m->bias.rates);
    az_free(heap, m->bias.counts);
    az_free(heap, m->freq);
    az_free(heap, m->sums);
    az_free(heap, m->rows);
    az_free(heap, m->wanted);
    az_free(heap, m->ids);
    az_free(heap, m->history);
    az_free(heap, m);
}

uint64_t az_mixed_memory(const az_lm *lm, uint32_t n_strings, const az_mixed_settings *settings,
                         az_span span, uint32_t n_lanes) {
    uint64_t stride = az_lm_logits_stride(lm);
    uint32_t n_rows = n_lanes > ROUND_ROWS ? n_lanes : ROUND_ROWS;
    return az_cm_memory(AZ_CM_HINTED, span) +
           n_lanes * (az_lm_get_info(lm)->cache_nbytes * ((uint64_t)settings->window + ROUND_ROWS) +
                      (n_strings + 1) * sizeof(uint64_t) + az_cm_lane_nbytes()) +
           n_rows * stride * sizeof(uint32_t) + n_strings * sizeof(uint32_t);
}

static az_status take_cm(az_mixed *m, az_span span, az_error *error) {
    if (!m->cm_lanes)
        m->cm_lanes = az_alloc(m->heap, AZ_MIXED_LANES_MAX * az_cm_lane_nbytes());
    if (!m->cm_lanes)
        return az_alloc_failed(m->heap, AZ_MIXED_LANES_MAX * az_cm_lane_nbytes(), error);
    if (m->cm && m->cm_most.content_nbytes >= span.content_nbytes &&
        m->cm_most.dictionary_nbytes >= span.dictionary_nbytes)
        return AZ_OK;
    az_cm_close(&m->cm);
    AZ_TRY(az_cm_open(&m->cm, m->heap, AZ_CM_HINTED, span, error));
    m->cm_most = span;
    return AZ_OK;
}

/* Caches for n_lanes lanes, which may be fed max_run tokens at once. */
static az_status take_caches(az_mixed *m, const az_mixed_settings *s, uint32_t n_lanes,
                             uint32_t max_run, az_error *error) {
    uint32_t overlap = m->rolls ? 0 : s->overlap;
    max_run += overlap;
    if (s->window != m->window || max_run > m->max_run || overlap != m->overlap)
        close_caches(m);
    m->window = s->window;
    m->max_run = max_run > m->max_run ? max_run : m->max_run;
    m->overlap = overlap;
    for (; m->n_caches < n_lanes; m->n_caches++) {
        lane *l = &m->lanes[m->n_caches];
        AZ_TRY(az_lm_cache_open(&l->cache, az_lm_server_model(m->server), s->window, m->max_run,
                                m->heap, error));
        l->latest = az_alloc(m->heap, (overlap + 1) * sizeof *l->latest);
        if (!l->latest) {
            az_lm_cache_close(&l->cache);
            return az_alloc_failed(m->heap, (overlap + 1) * sizeof *l->latest, error);
        }
    }
    return AZ_OK;
}

/* All that coding a span in n_lanes, n_ahead tokens at a time, takes. */
static az_status take_all(az_mixed *m, const az_mixed_settings *s, az_span span, uint32_t n_lanes,
                          uint32_t n_ahead, az_error *error) {
    AZ_TRY(take_cm(m, span, error));
    bool primes = span.dictionary_nbytes > 0;
    AZ_TRY(
        take_caches(m, s, n_lanes, primes && n_ahead < ROUND_ROWS ? ROUND_ROWS : n_ahead, error));
    uint32_t n_rows = n_lanes * (n_ahead + m->overlap);
    n_rows = primes && n_rows < ROUND_ROWS ? ROUND_ROWS : n_rows;
    size_t wanted_max = m->rows_max;
    AZ_TRY(az_room(m->heap, &m->rows, &m->rows_max, sizeof *m->rows, n_rows, error));
    AZ_TRY(az_room(m->heap, &m->wanted, &wanted_max, sizeof *m->wanted, n_rows, error));
    AZ_TRY(az_room(m->heap, &m->freq, &m->freq_rows,
                   az_lm_logits_stride(az_lm_server_model(m->server)) * sizeof *m->freq,
                   n_lanes * n_ahead, error));
    return az_room(m->heap, &m->sums, &m->sums_rows, sums_stride(m) * sizeof *m->sums, n_lanes,
                   error);
}

/* ---- One round ------------------------------------------------------------------------ */

static uint32_t token_of(const az_mixed *m, uint32_t string) {
    uint32_t id = m->vocabulary->ids[string];
    return id == AZ_TOKEN_NONE ? az_lm_server_start(m->server) : id;
}

static void feed(az_mixed *m, lane *l, uint32_t token, bool wanted, uint32_t *n_rows) {
    m->rows[*n_rows] = (az_lm_row){l->cache, token};
    m->wanted[(*n_rows)++] = wanted;
    l->n_fed++;
}

/* A window of learnt positions is full: it begins anew with the latest tokens but the last. */
static void start_again(az_mixed *m, lane *l, uint32_t *n_rows) {
    az_lm_cache_reset(l->cache);
    l->n_fed = 0;
    uint32_t n = l->n_coded - 1 < m->overlap ? l->n_coded - 1 : m->overlap;
    for (uint32_t i = n; i > 0; i--)
        feed(m, l, l->latest[(l->n_coded - 1 - i) % (m->overlap + 1)], false, n_rows);
}

/* Rows for the next tokens of a lane, n at most: what is before each of them. */
static void feed_lane(az_mixed *m, lane *l, uint32_t n, uint32_t *n_rows, uint32_t *n_wanted) {
    l->first = *n_wanted;
    l->rows = 0;
    for (uint32_t i = 0; i < n && !l->done; i++) {
        uint32_t at = l->n_coded + i;
        if (l->tokens && at == l->n_tokens)
            break;
        if (!m->rolls && l->n_fed == m->window) {
            if (i > 0)
                break; /* in the next round, when the latest are known */
            start_again(m, l, n_rows);
        }
        uint32_t token = at == 0  ? m->before
                         : i == 0 ? l->latest[(at - 1) % (m->overlap + 1)]
                                  : token_of(m, l->tokens[at - 1]);
        feed(m, l, token, true, n_rows);
        l->rows++;
        (*n_wanted)++;
    }
}

typedef struct step_work {
    az_mixed *m;
    uint32_t step;
} step_work;

static bool runs(const lane *l, uint32_t step) {
    return !l->done && step < l->rows;
}

static void sums_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    const step_work *w = arg;
    az_mixed *m = w->m;
    const lane *l = &m->lanes[part];
    size_t stride = az_lm_logits_stride(az_lm_server_model(m->server));
    if (runs(l, w->step))
        az_bias_sums(&m->bias, m->vocabulary, m->freq + (l->first + w->step) * stride,
                     m->sums + part * sums_stride(m));
}

static void learn_part(void *arg, uint32_t part, unsigned worker) {
    (void)worker;
    const step_work *w = arg;
    az_mixed *m = w->m;
    uint32_t n = m->vocabulary->strings.n, first = part * LEARN_STRINGS;
    uint32_t end = n - first < LEARN_STRINGS ? n : first + LEARN_STRINGS;
    for (uint32_t i = 0; i < m->n_lanes; i++)
        if (m->came[i] < n)
            az_bias_learn(&m->bias, m->sums + i * sums_stride(m), n, first, end, m->came[i]);
}

/* Before the next token of a lane is coded: what might come; and after it. */
static void trace_guesses(const az_mixed *m, const lane *l, const uint64_t *sums) {
    uint32_t pos = l->end - az_cm_lane_left(l->cm) - m->dictionary_nbytes;
    if (m->trace && pos < m->trace->n_guesses)
        az_guess_strings(sums, m->vocabulary->strings.n, l->tokens[l->n_coded],
                         &m->trace->guesses[pos]);
}

static void trace_end(const az_mixed *m, const lane *l) {
    if (m->trace)
        m->trace->ends[l->end - az_cm_lane_left(l->cm) - 1 - m->dictionary_nbytes] = 1;
}

static bool code_message_end(const lane *l, az_range_encoder *enc, az_range_decoder *dec) {
    if (!enc)
        return az_range_decode_bit(dec, AZ_MIXED_END);
    bool ends = l->n_coded + 1 == l->n_tokens;
    az_range_encode_bit(enc, ends, AZ_MIXED_END);
    return ends;
}

/* Step `step` of the round: one token of each lane that has one. */
static void code_step(az_mixed *m, uint32_t step, az_range_encoder *enc, az_range_decoder *dec,
                      uint8_t *block) {
    step_work w = {m, step};
    const az_cm_strings *strings = &m->vocabulary->strings;
    az_lm_server_parts(m->server, sums_part, &w, m->n_lanes);
    for (uint32_t i = 0; i < m->n_lanes; i++) {
        lane *l = &m->lanes[i];
        m->came[i] = strings->n;
        if (!runs(l, step))
            continue;
        uint64_t *sums = m->sums + i * sums_stride(m);
        if (m->choice)
            az_choose_strings(m->choice, m->vocabulary->strings.n, m->masses, sums);
        if (enc)
            trace_guesses(m, l, sums);
        uint32_t string = az_cm_code_string(m->cm, l->cm, enc, dec, block, strings, sums,
                                            l->tokens ? l->tokens[l->n_coded] : 0);
        if (enc)
            trace_end(m, l);
        m->came[i] = string;
        l->done = az_cm_lane_left(l->cm) == 0;
        if (m->is_message && block[l->end - az_cm_lane_left(l->cm) - 1] == '\n')
            l->done = m->ended = code_message_end(l, enc, dec);
        if (!l->done)
            l->latest[l->n_coded % (m->overlap + 1)] = token_of(m, string);
        l->n_coded++;
    }
    az_lm_server_parts(m->server, learn_part, &w, (strings->n + LEARN_STRINGS - 1) / LEARN_STRINGS);
}

/* Has one of the round's rows computed again, now and then. */
static az_status check_round(az_mixed *m, uint32_t n_rows, az_error *error) {
    if (m->n_rounds % CHECK_ROUNDS != 0)
        return AZ_OK;
    const lane *l = &m->lanes[m->n_rounds / CHECK_ROUNDS % m->n_lanes];
    size_t stride = az_lm_logits_stride(az_lm_server_model(m->server));
    for (uint32_t i = 0; i < n_rows && !l->done; i++)
        if (m->rows[i].cache == l->cache && m->wanted[i])
            return az_lm_server_check(m->server, &m->rows[i], m->freq + l->first * stride, error);
    return AZ_OK;
}

/* Codes until all lanes are done, n_ahead tokens of each a round. *stopped: the tick said so, or
 * the message has no room. */
static az_status code_lanes(az_mixed *m, uint32_t n_ahead, az_range_encoder *enc,
                            az_range_decoder *dec, uint8_t *block, size_t n_bytes, bool *stopped,
                            az_mixed_tick_fn tick, void *opaque, az_error *error) {
    *stopped = false;
    for (;;) {
        uint32_t n_rows = 0, n_wanted = 0, n_steps = 0;
        size_t left = 0;
        for (uint32_t i = 0; i < m->n_lanes; i++) {
            lane *l = &m->lanes[i];
            feed_lane(m, l, n_ahead, &n_rows, &n_wanted);
            n_steps = l->rows > n_steps ? l->rows : n_steps;
            left += az_cm_lane_left(l->cm);
        }
        size_t n_coded = enc ? enc->pos : dec->pos < dec->n_bytes ? dec->pos : dec->n_bytes;
        *stopped = (enc && enc->pos > enc->capacity) || !tick(opaque, n_bytes - left, n_coded);
        if (n_rows == 0 || *stopped)
            return AZ_OK;
        AZ_TRY(az_lm_server_predict(m->server, m->rows, m->wanted, n_rows, m->freq, error));
        if (dec && m->check)
            AZ_TRY(check_round(m, n_rows, error));
        m->n_rounds++;
        for (uint32_t step = 0; step < n_steps; step++)
            code_step(m, step, enc, dec, block);
    }
}

/* ---- A dictionary ------------------------------------------------------------------------ */

/* The end of the dictionary, n_bytes of it, as tokens: m->seen. */
static az_status see(az_mixed *m, const uint8_t *text, size_t n_bytes, az_error *error) {
    size_t n = 0;
    m->seen = az_alloc(m->heap, n_bytes * sizeof *m->seen);
    if (!m->seen)
        return az_alloc_failed(m->heap, n_bytes * sizeof *m->seen, error);
    AZ_TRY(az_tokenize(az_lm_server_tokenizer(m->server), text, n_bytes, m->seen, &n, error));
    for (size_t i = 0; i < n; i++)
        m->seen[i] = az_vocabulary_number(m->vocabulary, m->seen[i]);
    m->n_seen = (uint32_t)n;
    return AZ_OK;
}

/* cm learns from it, after hints by which every token is as likely. */
static bool teach_cm(az_mixed *m, uint8_t *block, uint32_t first, uint32_t end,
                     az_mixed_tick_fn tick, void *opaque) {
    const az_cm_strings *strings = &m->vocabulary->strings;
    az_cm_lane *at = (az_cm_lane *)(void *)m->cm_lanes;
    az_range_encoder nothing;
    az_range_encoder_init(&nothing, NULL, 0);
    az_cm_lane_begin(m->cm, at, first, end);
    for (uint32_t i = 0; i <= strings->n; i++)
        m->sums[i] = i;
    for (uint32_t i = 0; i < m->n_seen; i++) {
        az_cm_code_string(m->cm, at, &nothing, NULL, block, strings, m->sums, m->seen[i]);
        if (i % PRIME_TICK == 0 && !tick(opaque, 0, 0))
            return false;
    }
    az_cm_forget_hints(m->cm);
    return true;
}

/* Keeps what lane 0 has seen, for the next content after the same tokens. Without memory for it
 * they are seen again. */
static void keep(az_mixed *m, const uint32_t *tokens, uint32_t n) {
    forget_kept(m);
    m->kept_window = m->window;
    m->kept_run = m->max_run;
    m->kept_tokens = az_alloc(m->heap, n * sizeof *tokens);
    if (!m->kept_tokens || az_lm_cache_open(&m->kept, az_lm_server_model(m->server), m->window,
                                            m->max_run, m->heap, NULL) != AZ_OK) {
        forget_kept(m);
        return;
    }
    memcpy(m->kept_tokens, tokens, n * sizeof *tokens);
    m->n_kept = n;
    az_lm_cache_copy(m->kept, m->lanes[0].cache);
}

static bool is_kept(const az_mixed *m, const uint32_t *tokens, uint32_t n) {
    return m->n_kept == n && m->kept_window == m->window && m->kept_run == m->max_run &&
           memcmp(m->kept_tokens, tokens, n * sizeof *tokens) == 0;
}

/* The model sees its last tokens; all lanes' caches get what it makes of them. */
static az_status teach_model(az_mixed *m, az_error *error) {
    uint32_t n = m->n_seen < m->window / SEEN_PART ? m->n_seen : m->window / SEEN_PART;
    const uint32_t *tokens = m->seen + m->n_seen - n;
    lane *l = &m->lanes[0];
    if (is_kept(m, tokens, n)) {
        az_lm_cache_copy(l->cache, m->kept);
        l->n_fed = n;
        m->before = token_of(m, tokens[n - 1]);
        return AZ_OK;
    }
    for (uint32_t i = 0; i < n;) {
        uint32_t n_rows = 0;
        for (; i < n && n_rows < ROUND_ROWS; i++)
            feed(m, l, i == 0 ? m->before : token_of(m, tokens[i - 1]), false, &n_rows);
        AZ_TRY(az_lm_server_predict(m->server, m->rows, m->wanted, n_rows, m->freq, error));
    }
    m->before = token_of(m, tokens[n - 1]);
    if (m->is_message)
        keep(m, tokens, n);
    for (uint32_t i = 1; i < m->n_lanes; i++) {
        az_lm_cache_copy(m->lanes[i].cache, l->cache);
        m->lanes[i].n_fed = l->n_fed;
    }
    return AZ_OK;
}

static void forget_seen(az_mixed *m) {
    az_free(m->heap, m->seen);
    m->seen = NULL;
    m->n_seen = 0;
}

/* ---- A span begins ------------------------------------------------------------------------- */

/* Lanes that end at these places of the content begin. block[]: with the dictionary in its place.
 * The server has been joined. */
static az_status begin(az_mixed *m, uint8_t *block, az_span span, const uint32_t *ends,
                       uint32_t n_lanes, bool *stopped, az_mixed_tick_fn tick, void *opaque,
                       az_error *error) {
    uint32_t dictionary_end = (uint32_t)span.dictionary_nbytes;
    m->n_lanes = n_lanes;
    m->n_rounds = 0;
    m->dictionary_nbytes = dictionary_end;
    m->before = az_lm_server_start(m->server);
    az_bias_begin(&m->bias, m->vocabulary);
    az_cm_trace(m->cm, NULL, 0);
    uint32_t n_seen_bytes = (uint32_t)az_cm_begin(m->cm, block, span);
    *stopped = false;
    if (n_seen_bytes > 0) {
        AZ_TRY(see(m, block + dictionary_end - n_seen_bytes, n_seen_bytes, error));
        *stopped = !teach_cm(m, block, dictionary_end - n_seen_bytes, dictionary_end, tick, opaque);
    }
    for (uint32_t i = 0; i < n_lanes; i++) {
        lane *l = &m->lanes[i];
        l->cm = (az_cm_lane *)(void *)(m->cm_lanes + i * az_cm_lane_nbytes());
        l->end = dictionary_end + ends[i];
        az_cm_lane_begin(m->cm, l->cm, dictionary_end + (i ? ends[i - 1] : 0), l->end);
        az_lm_cache_reset(l->cache);
        l->tokens = NULL;
        l->n_tokens = l->n_coded = l->n_fed = 0;
        l->done = false;
    }
    return m->n_seen > 0 && !*stopped ? teach_model(m, error) : AZ_OK;
}

/* ---- Encoding -------------------------------------------------------------------------- */

uint32_t az_mixed_lanes(int level, size_t n_tokens) {
    size_t n = level == AZ_LEVEL_MAX   ? 1
               : level == AZ_LEVEL_MIN ? AZ_MIXED_LANES_MAX
                                       : (n_tokens + LANE_TOKENS / 2) / LANE_TOKENS;
    return n < 1 ? 1 : n > AZ_MIXED_LANES_MAX ? AZ_MIXED_LANES_MAX : (uint32_t)n;
}

uint32_t az_mixed_window(int level, const az_lm_info *info) {
    uint32_t n = level == AZ_LEVEL_MAX   ? WINDOW_MOST
                 : level == AZ_LEVEL_MIN ? WINDOW_DEFAULT / 2
                                         : WINDOW_DEFAULT;
    n = n < info->n_trained ? n : info->n_trained;
    return n > AZ_MIXED_WINDOW_MIN ? n : AZ_MIXED_WINDOW_MIN;
}

/* Where a lane that should begin with token `at` begins: at the end of a pre-token, if there is
 * one near. pos: where in the text token `at` is. */
static uint32_t cut(const az_mixed *m, const uint8_t *text, size_t n_bytes, const uint32_t *strings,
                    uint32_t n_tokens, uint32_t at, size_t pos) {
    const uint32_t *starts = m->vocabulary->strings.starts;
    const az_tokenizer *tokenizer = az_lm_server_tokenizer(m->server);
    for (uint32_t i = at; i < n_tokens && i < at + CUT_LOOKS; i++) {
        if (az_tokenizer_cut(tokenizer, text, n_bytes, pos) == pos)
            return i;
        pos += starts[strings[i] + 1] - starts[strings[i]];
    }
    return at;
}

/* Cuts the text into tokens, as strings' numbers in m->ids, and these into lanes. */
static az_status plan(az_mixed *m, int level, uint32_t n_lanes, const uint8_t *text, size_t n_bytes,
                      uint32_t *ends, uint32_t *firsts, uint32_t *n_lanes_out, az_error *error) {
    size_t n_tokens;
    const uint32_t *starts = m->vocabulary->strings.starts;
    AZ_TRY(az_tokenize(az_lm_server_tokenizer(m->server), text, n_bytes, m->ids, &n_tokens, error));
    for (size_t i = 0; i < n_tokens; i++)
        m->ids[i] = az_vocabulary_number(m->vocabulary, m->ids[i]);
    if (n_lanes == 0)
        n_lanes = az_mixed_lanes(level, n_tokens);
    n_lanes = n_lanes > AZ_MIXED_LANES_MAX ? AZ_MIXED_LANES_MAX : n_lanes;
    n_lanes = n_lanes > n_tokens ? (uint32_t)n_tokens : n_lanes;
    uint32_t n = 0;
    size_t pos = 0, at = 0;
    firsts[0] = 0;
    for (uint32_t i = 1; i < n_lanes; i++) {
        size_t wanted = n_tokens * i / n_lanes;
        if (wanted <= firsts[n])
            continue;
        for (; at < wanted; at++)
            pos += starts[m->ids[at] + 1] - starts[m->ids[at]];
        uint32_t first = cut(m, text, n_bytes, m->ids, (uint32_t)n_tokens, (uint32_t)at, pos);
        for (; at < first; at++)
            pos += starts[m->ids[at] + 1] - starts[m->ids[at]];
        if (at == n_tokens)
            break;
        ends[n++] = (uint32_t)pos;
        firsts[n] = first;
    }
    ends[n++] = (uint32_t)n_bytes;
    firsts[n] = (uint32_t)n_tokens;
    *n_lanes_out = n;
    return AZ_OK;
}

/* The payload's head. */
static void put_lanes(az_range_encoder *rc, const uint32_t *ends, uint32_t n_lanes) {
    uint8_t buf[10];
    for (uint32_t i = 0; i < n_lanes; i++) {
        uint64_t value = i == 0 ? n_lanes : ends[i - 1] - (i > 1 ? ends[i - 2] : 0);
        int n = az_varint_write(buf, value);
        for (int k = 0; k < n; k++)
            az_range_put_byte(rc, buf[k]);
    }
}

static az_status encode(az_mixed *m, const az_mixed_settings *settings, int level, uint32_t n_lanes,
                        const uint8_t *content, az_span span, uint8_t *coded, size_t capacity,
                        size_t *coded_nbytes, az_mixed_tick_fn tick, void *opaque,
                        az_error *error) {
    size_t n_bytes = span.content_nbytes;
    uint32_t ends[AZ_MIXED_LANES_MAX], firsts[AZ_MIXED_LANES_MAX + 1];
    bool stopped;
    AZ_TRY(plan(m, level, n_lanes, content, n_bytes, ends, firsts, &n_lanes, error));
    uint32_t n_ahead = n_lanes < ROUND_ROWS ? ROUND_ROWS / n_lanes : 1;
    AZ_TRY(take_all(m, settings, span, n_lanes, n_ahead, error));
    az_range_encoder rc;
    az_range_encoder_init(&rc, coded, capacity);
    put_lanes(&rc, ends, n_lanes);
    /* The message is a number of its own: no carry goes into the head. */
    size_t head = rc.pos < capacity ? rc.pos : capacity;
    az_range_encoder_init(&rc, coded + head, capacity - head);
    AZ_TRY(az_lm_server_join(m->server, n_lanes, m->window + m->max_run, error));
    az_status status = begin(m, m->history, span, ends, n_lanes, &stopped, tick, opaque, error);
    if (m->trace)
        m->trace->by_strings = true;
    az_cm_trace(m->cm, m->trace ? m->trace->costs : NULL, span.dictionary_nbytes);
    for (uint32_t i = 0; i < n_lanes; i++) {
        m->lanes[i].tokens = m->ids + firsts[i];
        m->lanes[i].n_tokens = firsts[i + 1] - firsts[i];
    }
    if (status == AZ_OK && !stopped)
        status =
            code_lanes(m, n_ahead, &rc, NULL, m->history, n_bytes, &stopped, tick, opaque, error);
    az_lm_server_leave(m->server, n_lanes);
    forget_seen(m);
    if (status == AZ_OK && !stopped) {
        size_t n = az_range_encoder_finish(&rc);
        *coded_nbytes = n == SIZE_MAX ? SIZE_MAX : head + n;
    }
    return status;
}

az_status az_mixed_encode(az_mixed *m, const az_mixed_settings *settings, int level,
                          uint32_t n_lanes, const uint8_t *block, az_span span, uint8_t *coded,
                          size_t capacity, size_t *coded_nbytes, az_mixed_tick_fn tick,
                          void *opaque, az_error *error) {
    size_t n_ids = span.content_nbytes, n_bytes = span.dictionary_nbytes + span.content_nbytes;
    *coded_nbytes = SIZE_MAX;
    m->ids = az_alloc(m->heap, n_ids * sizeof *m->ids);
    m->history = az_alloc(m->heap, n_bytes);
    az_status status = AZ_OK;
    if (m->ids && m->history) {
        memcpy(m->history, block, span.dictionary_nbytes);
        status = encode(m, settings, level, n_lanes, block + span.dictionary_nbytes, span, coded,
                        capacity, coded_nbytes, tick, opaque, error);
    } else {
        status = az_alloc_failed(m->heap, n_ids * sizeof *m->ids + n_bytes, error);
    }
    az_free(m->heap, m->ids);
    az_free(m->heap, m->history);
    m->ids = NULL;
    m->history = NULL;
    return status;
}

/* ---- Decoding -------------------------------------------------------------------------- */

static az_status damaged(az_error *error, const char *what) {
    return az_error_set(error, AZ_ERROR_DAMAGED, AZ_ERROR_NO_OFFSET, "%s", what);
}

/* Reads the payload's head: *n_used bytes. */
static az_status read_lanes(uint32_t *ends, uint32_t *n_lanes, const uint8_t *coded,
                            size_t coded_nbytes, size_t n_bytes, size_t *n_used, az_error *error) {
    uint64_t value, end = 0;
    *n_used = *n_lanes = 0;
    int n = az_varint_read(coded, coded_nbytes, &value);
    if (n <= 0 || value == 0 || value > AZ_MIXED_LANES_MAX)
        return damaged(error, "the number of a block's lanes is impossible");
    *n_used = (size_t)n;
    *n_lanes = (uint32_t)value;
    for (uint32_t i = 0; i + 1 < *n_lanes; i++) {
        n = az_varint_read(coded + *n_used, coded_nbytes - *n_used, &value);
        if (n <= 0 || value == 0 || value >= n_bytes - end)
            return damaged(error, "the size of a block's lane is impossible");
        *n_used += (size_t)n;
        end += value;
        ends[i] = (uint32_t)end;
    }
    ends[*n_lanes - 1] = (uint32_t)n_bytes;
    return AZ_OK;
}

az_status az_mixed_decode(az_mixed *m, const az_mixed_settings *settings, uint8_t *block,
                          az_span span, const uint8_t *coded, size_t coded_nbytes,
                          az_mixed_tick_fn tick, void *opaque, az_error *error) {
    size_t n_bytes = span.content_nbytes;
    uint32_t ends[AZ_MIXED_LANES_MAX] = {0}, n_lanes;
    size_t head;
    bool stopped;
    AZ_TRY(read_lanes(ends, &n_lanes, coded, coded_nbytes, n_bytes, &head, error));
    if (coded_nbytes > head && coded[coded_nbytes - 1] == 0)
        return damaged(error, "a block's message ends in a zero");
    AZ_TRY(take_all(m, settings, span, n_lanes, 1, error));
    memset(block + span.dictionary_nbytes, 0, n_bytes);
    az_range_decoder rc;
    az_range_decoder_init(&rc, coded + head, coded_nbytes - head);
    AZ_TRY(az_lm_server_join(m->server, n_lanes, m->window + m->max_run, error));
    az_status status = begin(m, block, span, ends, n_lanes, &stopped, tick, opaque, error);
    if (status == AZ_OK && !stopped)
        status = code_lanes(m, 1, NULL, &rc, block, n_bytes, &stopped, tick, opaque, error);
    az_lm_server_leave(m->server, n_lanes);
    forget_seen(m);
    if (status == AZ_OK && stopped)
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped as asked");
    if (status == AZ_OK && rc.pos < rc.n_bytes)
        return damaged(error, "bytes are left of a block's message");
    return status;
}

/* ---- A message ---------------------------------------------------------------------------- */

static bool never_stop(void *opaque, size_t n_content, size_t n_coded) {
    (void)opaque, (void)n_content, (void)n_coded;
    return true;
}

/* One lane in either direction: enc with m->ids, [n_tokens], or dec. */
static az_status code_message(az_mixed *m, const az_mixed_settings *settings, uint8_t *block,
                              az_span span, size_t n_tokens, az_range_encoder *enc,
                              az_range_decoder *dec, az_error *error) {
    uint32_t end = (uint32_t)span.content_nbytes, n_ahead = enc ? ROUND_ROWS : 1;
    bool stopped;
    AZ_TRY(take_all(m, settings, span, 1, n_ahead, error));
    AZ_TRY(az_lm_server_join(m->server, 1, m->window + m->max_run, error));
    m->is_message = true;
    m->ended = false;
    az_status status = begin(m, block, span, &end, 1, &stopped, never_stop, NULL, error);
    m->lanes[0].tokens = enc ? m->ids : NULL;
    m->lanes[0].n_tokens = (uint32_t)n_tokens;
    if (status == AZ_OK)
        status = code_lanes(m, n_ahead, enc, dec, block, span.content_nbytes, &stopped, never_stop,
                            NULL, error);
    m->is_message = false;
    az_lm_server_leave(m->server, 1);
    forget_seen(m);
    return status;
}

az_status az_mixed_encode_message(az_mixed *m, const az_mixed_settings *settings,
                                  const uint8_t *block, az_span span, size_t n_bytes,
                                  az_range_encoder *rc, az_error *error) {
    size_t n_all = span.dictionary_nbytes + span.content_nbytes, n_tokens = 0;
    m->ids = az_alloc(m->heap, n_bytes * sizeof *m->ids);
    m->history = az_alloc(m->heap, n_all);
    az_status status = m->ids && m->history ? az_tokenize(az_lm_server_tokenizer(m->server),
                                                          block + span.dictionary_nbytes, n_bytes,
                                                          m->ids, &n_tokens, error)
                                            : az_alloc_failed(m->heap, n_all, error);
    for (size_t i = 0; i < n_tokens; i++)
        m->ids[i] = az_vocabulary_number(m->vocabulary, m->ids[i]);
    if (status == AZ_OK) {
        memcpy(m->history, block, span.dictionary_nbytes);
        status = code_message(m, settings, m->history, span, n_tokens, rc, NULL, error);
    }
    az_free(m->heap, m->ids);
    az_free(m->heap, m->history);
    m->ids = NULL;
    m->history = NULL;
    return status;
}

az_status az_mixed_decode_message(az_mixed *m, const az_mixed_settings *settings, uint8_t *block,
                                  az_span span, size_t *n_bytes, az_range_decoder *rc,
                                  az_error *error) {
    AZ_TRY(code_message(m, settings, block, span, 0, NULL, rc, error));
    if (!m->ended)
        return damaged(error, "a message has no end");
    *n_bytes = span.content_nbytes - az_cm_lane_left(m->lanes[0].cm);
    return AZ_OK;
}

/* ---- Sampling ------------------------------------------------------------------------------ */

static az_status sample(az_mixed *m, const az_mixed_settings *settings, uint8_t *block,
                        az_span span, az_range_decoder *rc, az_mixed_tick_fn tick, void *opaque,
                        az_error *error) {
    uint32_t end = (uint32_t)span.content_nbytes;
    bool stopped;
    AZ_TRY(take_all(m, settings, span, 1, 1, error));
    az_cm_sample(m->cm);
    AZ_TRY(az_lm_server_join(m->server, 1, m->window + m->max_run, error));
    az_status status = begin(m, block, span, &end, 1, &stopped, tick, opaque, error);
    if (status == AZ_OK && !stopped)
        status =
            code_lanes(m, 1, NULL, rc, block, span.content_nbytes, &stopped, tick, opaque, error);
    az_lm_server_leave(m->server, 1);
    forget_seen(m);
    if (status == AZ_OK && stopped)
        return az_error_set(error, AZ_ERROR_CANCELLED, AZ_ERROR_NO_OFFSET, "stopped as asked");
    return status;
}

az_status az_mixed_sample(az_mixed *m, const az_mixed_settings *settings,
                          const az_mixed_choice *choice, uint8_t *block, az_span span,
                          az_range_decoder *rc, az_mixed_tick_fn tick, void *opaque,
                          az_error *error) {
    if (choice->top_k || choice->top_p) {
        m->masses = az_alloc(m->heap, m->vocabulary->strings.n * sizeof *m->masses);
        if (!m->masses)
            return az_alloc_failed(m->heap, m->vocabulary->strings.n * sizeof *m->masses, error);
        m->choice = choice;
    }
    az_status status = sample(m, settings, block, span, rc, tick, opaque, error);
    m->choice = NULL;
    az_free(m->heap, m->masses);
    m->masses = NULL;
    return status;
}
