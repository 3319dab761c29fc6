/* Texture matrices: co-occurrence, runs, zones, distances, neighbourhoods. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOGARITHMS 8192
static double n_log_n[LOGARITHMS];

void prepare_logarithms(void)
{
    for (int n = 1; n < LOGARITHMS; n++)
        n_log_n[n] = n * log2(n);
}

static ptrdiff_t offset_of(Box box, const int32_t *step)
{
    return (step[0] * box.ny + step[1]) * box.nx + step[2];
}

/* Eight flags at a time, one a byte: the place of the first one set, and the others. */
static uint64_t load(const uint8_t *bytes)
{
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    return eight;
}

#if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
static ptrdiff_t first_of(uint64_t set)
{
    return __builtin_ctzll(set) >> 3;
}

static uint64_t without_first(uint64_t set)
{
    return set & (~(uint64_t)0xff << (first_of(set) << 3));
}
#else
static ptrdiff_t first_of(uint64_t set)
{
    uint8_t bytes[8];
    ptrdiff_t x = 0;
    memcpy(bytes, &set, 8);
    while (!bytes[x])
        x++;
    return x;
}

static uint64_t without_first(uint64_t set)
{
    uint8_t bytes[8];
    memcpy(bytes, &set, 8);
    bytes[first_of(set)] = 0;
    return load(bytes);
}
#endif

/* Rem's union with splicing (Dijkstra 1976; Patwary et al. 2010, https://doi.org/10.1007/978-3-642-13193-6_35): parents
   come earlier, so that the first voxel of a zone becomes its root. */
static void unite(int32_t *parent, int32_t i, int32_t j)
{
    i = parent[i];
    j = parent[j];
    while (i != j) {
        int32_t later = i > j ? i : j, earlier = i > j ? j : i, above = parent[later];
        parent[later] = earlier < above ? earlier : above;
        i = above == later ? earlier : above; /* a root is joined for good */
        j = earlier;
    }
}

int join(const int32_t *from, const int32_t *to, ptrdiff_t pairs, int32_t *first, ptrdiff_t members)
{
    for (ptrdiff_t i = 0; i < members; i++)
        if (first[i] < 0 || first[i] > i)
            return -1;
    for (ptrdiff_t n = 0; n < pairs; n++) {
        if (from[n] < 0 || from[n] >= members || to[n] < 0 || to[n] >= members)
            return -1;
        unite(first, from[n], to[n]);
    }
    for (ptrdiff_t i = 0; i < members; i++)
        first[i] = first[first[i]];
    return 0;
}

/* Room for so many more rows. */
static int make_room(Rows *rows, ptrdiff_t more)
{
    if (rows->count + more <= rows->room)
        return 0;
    ptrdiff_t room = rows->room ? 2 * rows->room + more : 1024 + more;
    int32_t *wider = realloc(rows->rows, (size_t)room * 4 * sizeof *wider);
    if (!wider)
        return -1;
    rows->rows = wider;
    rows->room = room;
    return 0;
}

static void set_row(Rows *rows, ptrdiff_t place, int32_t a, int32_t b, int32_t c, int32_t d)
{
    int32_t *row = rows->rows + 4 * place;
    row[0] = a;
    row[1] = b;
    row[2] = c;
    row[3] = d;
}

static int append_four(Rows *rows, int32_t a, int32_t b, int32_t c, int32_t d)
{
    if (make_room(rows, 1))
        return -1;
    set_row(rows, rows->count++, a, b, c, d);
    return 0;
}

/* The cells of one table of runs that are not zero; clears the table. */
static int emit_runs(Rows *found, int32_t matrix, const uint32_t *voxels, uint32_t *table, ptrdiff_t side,
                     ptrdiff_t lengths, ptrdiff_t longest)
{
    for (ptrdiff_t level = 1; level < side; level++) {
        uint32_t *row = table + level * lengths, single = voxels[level];
        for (ptrdiff_t length = 2; length <= longest; length++)
            single -= row[length] * (uint32_t)length;
        row[1] = single;
        for (ptrdiff_t length = 1; length <= longest || length == 1; length++)
            if (row[length]) {
                if (append_four(found, matrix, (int32_t)level, (int32_t)length, (int32_t)row[length]))
                    return -1;
                row[length] = 0;
            }
    }
    return 0;
}

#define LEVEL uint8_t
#define SUM uint16_t
#define NAME(x) x##_u8
#include "levels.h"
#undef LEVEL
#undef SUM
#undef NAME

#define LEVEL uint16_t
#define SUM uint32_t
#define NAME(x) x##_u16
#include "levels.h"

void margins(const uint32_t *table, ptrdiff_t side, double *out)
{
    ptrdiff_t m = side - 1;
    double *level = out, *difference = out + m, *sum = out + 2 * m, *last = out + 4 * m - 1;
    double highest = 0, squares = 0, logarithms = 0;
    for (ptrdiff_t i = 1; i <= m; i++)
        for (ptrdiff_t j = i; j <= m; j++) {
            uint32_t n = table[i * side + j] + table[j * side + i];
            if (!n)
                continue;
            double count = n, twice = i == j ? 1 : 2;
            level[i - 1] += count;
            if (i != j)
                level[j - 1] += count;
            difference[j - i] += twice * count;
            sum[i + j - 2] += twice * count;
            highest = count > highest ? count : highest;
            squares += twice * count * count;
            logarithms += twice * (n < LOGARITHMS ? n_log_n[n] : count * log2(count));
        }
    last[0] = highest;
    last[1] = squares;
    last[2] = logarithms;
}

void tones(const double *n, const double *s, ptrdiff_t levels, double out[TONE_SUMS])
{
    double voxels = 0, found[TONE_SUMS] = {0};
    for (ptrdiff_t i = 0; i < levels; i++)
        voxels += n[i];
    for (ptrdiff_t i = 0; i < levels; i++) {
        if (n[i] == 0)
            continue;
        double p = n[i] / voxels;
        found[0] += 1;
        found[1] += n[i];
        found[2] += p * s[i];
        found[3] += s[i];
        for (ptrdiff_t j = 0; j < i; j++) {
            if (n[j] == 0)
                continue;
            double q = n[j] / voxels, difference = (double)(i - j), square = difference * difference;
            found[4] += 2 * p * q * square;
            found[5] += 2 * fabs((double)(i + 1) * p - (double)(j + 1) * q);
            found[6] += 2 * difference * (p * s[i] + q * s[j]) / (p + q);
            found[7] += 2 * (p + q) * square;
        }
    }
    memcpy(out, found, sizeof found);
}

static void nearer(uint16_t *here, const uint16_t *there, ptrdiff_t size)
{
    for (ptrdiff_t x = 0; x < size; x++) {
        uint16_t further = (uint16_t)(there[x] + 1);
        here[x] = here[x] < further ? here[x] : further;
    }
}

/* Distances along a row, to the zeros before and after it as well. */
static void along_row(const uint8_t *mask, uint16_t *out, ptrdiff_t size)
{
    unsigned distance = 0;
    for (ptrdiff_t x = 0; x < size; x++)
        out[x] = (uint16_t)(distance = mask[x] ? distance + 1 : 0);
    distance = 0;
    for (ptrdiff_t x = size - 1; x >= 0; x--) {
        distance = out[x] <= distance ? out[x] : distance + 1;
        out[x] = (uint16_t)distance;
    }
}

void distances(const uint8_t *mask, Box box, int flat, uint16_t *out)
{
    ptrdiff_t plane = box.ny * box.nx, all = box.nz * plane;
    for (ptrdiff_t row = 0; row < all; row += box.nx)
        along_row(mask + row, out + row, box.nx);
    for (ptrdiff_t slice = 0; slice < all; slice += plane) {
        for (ptrdiff_t row = slice + box.nx; row < slice + plane; row += box.nx)
            nearer(out + row, out + row - box.nx, box.nx);
        for (ptrdiff_t row = slice + plane - 2 * box.nx; row >= slice; row -= box.nx)
            nearer(out + row, out + row + box.nx, box.nx);
    }
    for (ptrdiff_t row = plane; row < all && !flat; row += box.nx)
        nearer(out + row, out + row - plane, box.nx);
    for (ptrdiff_t row = all - plane - box.nx; row >= 0 && !flat; row -= box.nx)
        nearer(out + row, out + row + plane, box.nx);
}
