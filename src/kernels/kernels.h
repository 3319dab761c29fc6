/* The passes over voxels that features are made of. Plain C99, no Python: module.c is the bridge.

   Arrays are in C order with axes (z, y, x), x running along memory. Grey levels are 0 outside of the region and 1, 2,
   ... inside, in an array with a margin of zeros so wide that no neighbour lies outside of it. */
#ifndef UPTAKE_KERNELS_H
#define UPTAKE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* A padded array: its sizes with the margin, the margin, and the slices [first, last) to work on, without it. */
typedef struct {
    ptrdiff_t nz, ny, nx, margin, first, last;
} Box;

/* Steps to neighbours, (dz, dy, dx) each. */
typedef struct {
    const int32_t *steps;
    ptrdiff_t count;
} Steps;

/* Rows of four numbers, as many as are found; the caller frees them. */
typedef struct {
    int32_t *rows;
    ptrdiff_t count, room;
} Rows;

/* Table of n log2 n; filled once, before any kernel runs. */
void prepare_logarithms(void);

/* Every function below that returns int: 0, or -1 without memory. Tables are added to, never cleared. */

int glcm_u8(const uint8_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side);
int glcm_u16(const uint16_t *levels, Box box, Steps steps, uint32_t *tables, ptrdiff_t side);

/* Sums over a symmetric co-occurrence table: 4 * side - 2 numbers, see module.c. */
void margins(const uint32_t *table, ptrdiff_t side, double *out);

int runs_u8(const uint8_t *levels, Box box, Steps steps, int flat, ptrdiff_t side, ptrdiff_t lengths, Rows *found);
int runs_u16(const uint16_t *levels, Box box, Steps steps, int flat, ptrdiff_t side, ptrdiff_t lengths, Rows *found);

int neighbours_u8(const uint8_t *levels, Box box, Steps steps, int alpha, uint32_t *dependence, uint32_t *counts,
                  uint64_t *differences);
int neighbours_u16(const uint16_t *levels, Box box, Steps steps, int alpha, uint32_t *dependence, uint32_t *counts,
                   uint64_t *differences);

/* Sums over the levels of a tone difference matrix, level 1 first, of which n voxels differ by s in all: p = n / their sum.
   Levels with n > 0; sum of n; sums of p s, s; over pairs (i, j) of levels p p (i - j)2, |i p - j p|,
   |i - j| (p s + p s) / (p + p), (p + p) (i - j)2. All 0 where n is. */
#define TONE_SUMS 8
void tones(const double *n, const double *s, ptrdiff_t levels, double out[TONE_SUMS]);

/* Zones are rows of grey level, voxels, least distance to the border, slice (0 in 3D). */
int zones_u8(const uint8_t *levels, const uint16_t *distances, Box box, int flat, Rows *zones);
int zones_u16(const uint16_t *levels, const uint16_t *distances, Box box, int flat, Rows *zones);

/* Joins the groups of the members from[n] and to[n] of each pair. `first` holds the first member of each one's group, of
   its own where it is alone. Returns -1 for a number that is none of a member, or a first member that comes later. */
int join(const int32_t *from, const int32_t *to, ptrdiff_t pairs, int32_t *first, ptrdiff_t members);

/* A column of whole numbers, `step` bytes from one to the next. */
typedef struct {
    const char *data;
    ptrdiff_t step;
} Column;

static inline int32_t item(Column column, ptrdiff_t row)
{
    return *(const int32_t *)(const void *)(column.data + row * column.step);
}

/* Sums over the cells r(i, j) of each of several matrices, CELL_SUMS of them; rows of the columns (matrix, i, j, r) that
   name one cell are added first. Of r times 1, i, j, 1/j2, j2, 1/i2, i2, 1/(i2 j2), i2/j2, j2/i2, i2 j2; of the squares
   of row and of column sums; of r times the squared distances of i and j from their means, and log2(r / sum); of r2. */
#define CELL_SUMS 17
int cell_sums(Column matrix, Column level, Column length, Column number, ptrdiff_t rows, double *out);

/* City-block distance to the nearest zero, in the slice only if `flat`; zeros stay 0. The mask has a margin of zeros. */
void distances(const uint8_t *mask, Box box, int flat, uint16_t *out);

/* Where the bytes that are not zero begin and end (one past the last) along z, y, x; 0 where all are. */
int extent(const uint8_t *mask, Box box, ptrdiff_t ends[6]);

/* How many cubes of eight neighbouring voxels there are of each of the 256 kinds, and the sum of the slices in which they
   begin; those of which all or none is inside left out; bits by (z, y, x). The mask is of 0 and 1. */
void cubes(const uint8_t *mask, Box box, double *numbers, double *starts);

/* n; sums of z, y, x, of zz, yy, xx, zy, zx, yx over the mask; of w, w z, w y, w x with the weights, if any. */
void moments(const uint8_t *mask, Box box, const double *weights, double out[14]);

/* A closed surface: corners (z, y, x) in half steps, and triangles of three of their numbers, outside in front. */
typedef struct {
    int32_t *corners, *triangles;
    ptrdiff_t corner_count, triangle_count;
} Polyhedron;

/* The convex hull of all points half a step away from a voxel along an axis. Exact. The caller frees both lists. */
int hull(const uint8_t *mask, Box box, Polyhedron *found);

/* Eigenvalues of a symmetric matrix, which it overwrites, rising (Jacobi's turns). */
void eigenvalues(double matrix[3][3], double out[3]);

/* Semi-axes, the longest first, of the smallest ellipsoid around n points in space that do not lie in a plane. Its volume
   exceeds the least one by less than about 2 `tolerance`; after `most` steps less than 2e-5 is enough. Returns 1 if
   it is not even that. */
int ellipsoid(const double *points, ptrdiff_t n, double tolerance, ptrdiff_t most, double axes[3]);

/* Edge lengths of a smallest box around such points: the best of those with an axis along one of the frame's axes or
   across one of the `starts` largest faces of their hull (normals as long as the faces are large), turned about its own
   axes for as long as it gets smaller. */
int cuboid(const double *points, ptrdiff_t n, const double *normals, ptrdiff_t faces, ptrdiff_t starts, double *lengths);

/* Area and volume of a convex polyhedron of triangles; and their normals, twice as long as they are large. */
void measure(const double *corners, const int32_t *triangles, ptrdiff_t count, double *normals, double out[2]);

/* The largest squared distance between two of n points in space. */
double farthest(const double *points, ptrdiff_t n);

/* Sums over a ball round each voxel of the mask, in order. running: sums along x of an image with a margin (z, y)
   round the mask and one more x in front; columns: (z, y, first x, x after the last) each, from the margin's corner. */
int balls(const double *running, Box box, const int32_t *columns, ptrdiff_t count, const uint8_t *mask, Box inner,
          double *out);

/* Sums of kernel times |a|^2, |b|^2 and Re(conj(a) c) over half spectra, columns that stand for two counted twice. */
void pair_sums(const double *a, const double *b, const double *c, const double *kernel, ptrdiff_t rows,
               ptrdiff_t columns, int even, double out[3]);

#endif
