/* Shape and place: surface cubes, moments, the convex hull, balls, correlations in Fourier space. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t load(const uint8_t *bytes)
{
    uint64_t eight;
    memcpy(&eight, bytes, 8);
    return eight;
}

/* Whether a byte is not zero: many at a time, which is as fast as memory. */
static int any(const uint8_t *at, ptrdiff_t size)
{
    enum { BLOCK = 256 };
    for (; size >= BLOCK; at += BLOCK, size -= BLOCK) {
        uint64_t set = 0;
        for (int i = 0; i < BLOCK; i += 8)
            set |= load(at + i);
        if (set)
            return 1;
    }
    for (; size >= 8; at += 8, size -= 8)
        if (load(at))
            return 1;
    while (size > 0 && !*at)
        at++, size--;
    return size > 0;
}

int extent(const uint8_t *mask, Box box, ptrdiff_t ends[6])
{
    ptrdiff_t *z = ends, *y = ends + 2, *x = ends + 4, plane = box.ny * box.nx;
    z[0] = box.nz, y[0] = box.ny, x[0] = box.nx;
    z[1] = y[1] = x[1] = 0;
    for (ptrdiff_t k = 0; k < box.nz; k++) {
        if (!any(mask + k * plane, plane))
            continue;
        z[0] = k < z[0] ? k : z[0];
        z[1] = k + 1;
        for (ptrdiff_t j = 0; j < box.ny; j++) {
            const uint8_t *row = mask + k * plane + j * box.nx;
            if ((j < y[0] || j >= y[1]) && !any(row, box.nx))
                continue;
            y[0] = j < y[0] ? j : y[0];
            y[1] = j < y[1] ? y[1] : j + 1;
            /* what lies between the ends that are known changes nothing */
            int before = any(row, x[0]), after = any(row + x[1], box.nx - x[1]);
            for (ptrdiff_t i = 0; before && i < x[0]; i++)
                x[0] = row[i] ? i : x[0];
            for (ptrdiff_t i = box.nx; after && i > x[1]; i--)
                x[1] = row[i - 1] ? i : x[1];
        }
    }
    return z[1] > 0;
}

void cubes(const uint8_t *mask, Box box, double *numbers, double *starts)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    ptrdiff_t plane = box.ny * box.nx;
    for (ptrdiff_t z = 0; z + 1 < box.nz; z++) {
        uint32_t counts[256] = {0};
        for (ptrdiff_t y = 0; y + 1 < box.ny; y++) {
            const uint8_t *a = mask + z * plane + y * box.nx, *b = a + box.nx, *c = a + plane, *d = c + box.nx;
            unsigned left = 0;
            for (ptrdiff_t x = 0; x < box.nx; x++) {
                /* eight times nothing, or eight times all of it: what most cubes are */
                while (x + 8 <= box.nx && ((left == 0 && !(load(a + x) | load(b + x) | load(c + x) | load(d + x))) ||
                                           (left == 85 && (load(a + x) & load(b + x) & load(c + x) & load(d + x)) == ones)))
                    x += 8;
                if (x == box.nx)
                    break;
                /* bits 0, 2, 4, 6 are those of x, bits 1, 3, 5, 7 those of x + 1 */
                unsigned right = a[x] | (unsigned)b[x] << 2 | (unsigned)c[x] << 4 | (unsigned)d[x] << 6;
                counts[left | right << 1] += x > 0;
                left = right;
            }
        }
        for (int kind = 1; kind < 255; kind++) {
            numbers[kind] += counts[kind];
            starts[kind] += (double)z * counts[kind];
        }
    }
}

void moments(const uint8_t *mask, Box box, const double *weights, double out[14])
{
    memset(out, 0, 14 * sizeof *out);
    for (ptrdiff_t z = 0; z < box.nz; z++)
        for (ptrdiff_t y = 0; y < box.ny; y++, mask += box.nx) {
            int64_t n = 0, sx = 0, sxx = 0;
            double w = 0, wx = 0;
            for (ptrdiff_t x = 0; x < box.nx; x++)
                if (mask[x]) {
                    n++;
                    sx += x;
                    sxx += x * x;
                    if (weights) {
                        w += *weights;
                        wx += *weights++ * (double)x;
                    }
                }
            if (!n)
                continue;
            double k = (double)z, j = (double)y, c = (double)n, s = (double)sx;
            double parts[14] = {c, c * k, c * j, s, c * k * k, c * j * j, (double)sxx, c * k * j, s * k, s * j,
                                w, w * k, w * j, wx};
            for (int i = 0; i < 14; i++)
                out[i] += parts[i];
        }
}

void measure(const double *corners, const int32_t *triangles, ptrdiff_t count, double *normals, double out[2])
{
    double area = 0, volume = 0;
    for (ptrdiff_t t = 0; t < count; t++, triangles += 3, normals += 3) {
        const double *a = corners + 3 * triangles[0], *b = corners + 3 * triangles[1], *c = corners + 3 * triangles[2];
        double u[3], v[3], square = 0;
        for (int i = 0; i < 3; i++) {
            u[i] = b[i] - a[i];
            v[i] = c[i] - a[i];
        }
        for (int i = 0; i < 3; i++) {
            normals[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
            square += normals[i] * normals[i];
        }
        area += sqrt(square) / 2;
        /* pyramids from one of the corners */
        volume += fabs(normals[0] * (a[0] - corners[0]) + normals[1] * (a[1] - corners[1]) + normals[2] * (a[2] - corners[2])) / 6;
    }
    out[0] = area;
    out[1] = volume;
}

double farthest(const double *points, ptrdiff_t n)
{
    double most = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        for (ptrdiff_t j = i + 1; j < n; j++) {
            double x = points[3 * i] - points[3 * j], y = points[3 * i + 1] - points[3 * j + 1];
            double z = points[3 * i + 2] - points[3 * j + 2], square = x * x + y * y + z * z;
            most = square > most ? square : most;
        }
    return most;
}

int balls(const double *running, Box box, const int32_t *columns, ptrdiff_t count, const uint8_t *mask, Box inner,
          double *out)
{
    double *sums = malloc((size_t)inner.nx * sizeof *sums);
    if (!sums)
        return -1;
    for (ptrdiff_t z = 0; z < inner.nz; z++)
        for (ptrdiff_t y = 0; y < inner.ny; y++, mask += inner.nx) {
            ptrdiff_t from = 0, to = inner.nx;
            while (from < to && !mask[from])
                from++;
            while (to > from && !mask[to - 1])
                to--;
            memset(sums, 0, (size_t)inner.nx * sizeof *sums);
            for (ptrdiff_t c = 0; c < count && from < to; c++) {
                const int32_t *column = columns + 4 * c;
                const double *row = running + ((z + column[0]) * box.ny + y + column[1]) * box.nx;
                const double *first = row + column[2], *last = row + column[3];
                for (ptrdiff_t x = from; x < to; x++)
                    sums[x] += last[x] - first[x];
            }
            for (ptrdiff_t x = from; x < to; x++)
                if (mask[x])
                    *out++ = sums[x];
        }
    free(sums);
    return 0;
}

void pair_sums(const double *a, const double *b, const double *c, const double *kernel, ptrdiff_t rows,
               ptrdiff_t columns, int even, double out[3])
{
    out[0] = out[1] = out[2] = 0;
    for (ptrdiff_t row = 0; row < rows; row++, a += 2 * columns, b += 2 * columns, c += 2 * columns, kernel += columns) {
        double sums[3] = {0, 0, 0};
        for (ptrdiff_t k = 0; k < columns; k++) {
            double ar = a[2 * k], ai = a[2 * k + 1], br = b[2 * k], bi = b[2 * k + 1];
            double weight = kernel[k] * (k == 0 || (even && k == columns - 1) ? 1 : 2);
            sums[0] += weight * (ar * ar + ai * ai);
            sums[1] += weight * (br * br + bi * bi);
            sums[2] += weight * (ar * c[2 * k] + ai * c[2 * k + 1]);
        }
        for (int i = 0; i < 3; i++)
            out[i] += sums[i];
    }
}
