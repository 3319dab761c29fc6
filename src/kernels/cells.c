/* Sums over the cells of matrices of levels and lengths, from rows of which several may fall on one cell. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>

enum { LEVEL_BITS = 13, LENGTH_BITS = 31 }; /* the rest of 64 is of the matrix */

typedef struct {
    uint64_t key;
    double number;
} Entry;

/* Numbers by key, in the order in which the keys came: a hash table of places in a list, half empty at least. */
typedef struct {
    Entry *entries;
    int32_t *slots;
    uint64_t count, room; /* 2 ** bits */
    int bits;
} Counter;

static int32_t *slot_of(const Counter *counter, uint64_t key)
{
    uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - counter->bits);
    while (counter->slots[at] && counter->entries[counter->slots[at] - 1].key != key)
        at = (at + 1) & (counter->room - 1);
    return counter->slots + at;
}

static int widen(Counter *counter)
{
    int bits = counter->bits ? counter->bits + 1 : 10;
    uint64_t room = UINT64_C(1) << bits;
    int32_t *slots = calloc(room, sizeof *slots);
    Entry *entries = realloc(counter->entries, room / 2 * sizeof *entries);
    if (entries)
        counter->entries = entries;
    if (!slots || !entries) {
        free(slots);
        return -1;
    }
    free(counter->slots);
    counter->slots = slots;
    counter->room = room;
    counter->bits = bits;
    for (uint64_t i = 0; i < counter->count; i++)
        *slot_of(counter, entries[i].key) = (int32_t)i + 1;
    return 0;
}

static int add(Counter *counter, uint64_t key, double number)
{
    if (2 * counter->count >= counter->room && widen(counter))
        return -1;
    int32_t *slot = slot_of(counter, key);
    if (!*slot) {
        counter->entries[counter->count] = (Entry){key, 0};
        *slot = (int32_t)++counter->count;
    }
    counter->entries[*slot - 1].number += number;
    return 0;
}

static void release(Counter *counter)
{
    free(counter->entries), free(counter->slots);
}

static uint64_t key_of(uint64_t matrix, uint64_t level, uint64_t length)
{
    return (matrix << LEVEL_BITS | level) << LENGTH_BITS | length;
}

static double level_of(uint64_t key)
{
    return (double)(key >> LENGTH_BITS & ((1 << LEVEL_BITS) - 1));
}

static double length_of(uint64_t key)
{
    return (double)(key & ((UINT64_C(1) << LENGTH_BITS) - 1));
}

static double *sums_of(double *out, uint64_t key)
{
    return out + CELL_SUMS * (key >> (LEVEL_BITS + LENGTH_BITS));
}

int cell_sums(Column matrix, Column level, Column length, Column number, ptrdiff_t rows, double *out)
{
    Counter cells = {0}, levels = {0}, lengths = {0};
    int failed = 0;
    for (ptrdiff_t row = 0; row < rows && !failed; row++)
        failed = add(&cells, key_of((uint64_t)item(matrix, row), (uint64_t)item(level, row), (uint64_t)item(length, row)),
                     item(number, row));
    for (uint64_t c = 0; c < cells.count && !failed; c++) {
        uint64_t key = cells.entries[c].key, in_matrix = key >> (LEVEL_BITS + LENGTH_BITS);
        double r = cells.entries[c].number, i = level_of(key), j = length_of(key), *sums = sums_of(out, key);
        double low = 1 / (i * i), high = i * i, small = 1 / (j * j), large = j * j;
        double parts[11] = {1, i, j, small, large, low, high, small * low, small * high, large * low, large * high};
        for (int s = 0; s < 11; s++)
            sums[s] += r * parts[s];
        failed = add(&levels, key_of(in_matrix, (uint64_t)i, 0), r) || add(&lengths, key_of(in_matrix, 0, (uint64_t)j), r);
    }
    for (uint64_t c = 0; c < levels.count && !failed; c++)
        sums_of(out, levels.entries[c].key)[11] += levels.entries[c].number * levels.entries[c].number;
    for (uint64_t c = 0; c < lengths.count && !failed; c++)
        sums_of(out, lengths.entries[c].key)[12] += lengths.entries[c].number * lengths.entries[c].number;
    for (uint64_t c = 0; c < cells.count && !failed; c++) {
        uint64_t key = cells.entries[c].key;
        double r = cells.entries[c].number, *sums = sums_of(out, key), n = sums[0];
        double i = level_of(key) - sums[1] / n, j = length_of(key) - sums[2] / n;
        sums[13] += r * i * i;
        sums[14] += r * j * j;
        sums[15] += r * log2(r / n);
        sums[16] += r * r;
    }
    release(&cells), release(&levels), release(&lengths);
    return failed ? -1 : 0;
}
