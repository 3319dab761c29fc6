/* The convex hull of a mask, exactly: quickhull (Barber et al. 1996, https://doi.org/10.1145/235815.235821) on whole
   numbers, so that no point is ever wrongly in or out. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    int32_t at[3];
} Point;

typedef struct {
    int32_t corner[3], beyond[3]; /* the face beyond the edge from corner i to corner i + 1 */
    int64_t normal[3], level;
    int64_t height; /* of the farthest point outside */
    int32_t outside, farthest, seen;
    int alive;
} Face;

typedef struct {
    const Point *points;
    int32_t *next; /* the next point outside of the same face */
    int32_t *begins; /* per point, the new face whose edge begins there */
    Face *faces;
    int32_t count, room;
} Hull;

static int64_t height(const Face *face, const Point *p)
{
    return face->normal[0] * p->at[0] + face->normal[1] * p->at[1] + face->normal[2] * p->at[2] - face->level;
}

static int32_t add_face(Hull *hull, int32_t a, int32_t b, int32_t c)
{
    if (hull->count == hull->room) {
        int32_t room = hull->room ? 2 * hull->room : 1024;
        Face *wider = realloc(hull->faces, (size_t)room * sizeof *wider);
        if (!wider)
            return -1;
        hull->faces = wider;
        hull->room = room;
    }
    Face *face = hull->faces + hull->count;
    int64_t u[3], v[3];
    for (int i = 0; i < 3; i++) {
        u[i] = hull->points[b].at[i] - hull->points[a].at[i];
        v[i] = hull->points[c].at[i] - hull->points[a].at[i];
    }
    *face = (Face){.corner = {a, b, c}, .outside = -1, .farthest = -1, .seen = -1, .alive = 1};
    for (int i = 0; i < 3; i++)
        face->normal[i] = u[(i + 1) % 3] * v[(i + 2) % 3] - u[(i + 2) % 3] * v[(i + 1) % 3];
    face->level = height(face, hull->points + a);
    return hull->count++;
}

/* Give points outside of the hull, a list, to the first face that they are above; the others are inside. */
static void share_out(Hull *hull, int32_t list, int32_t first)
{
    for (int32_t p = list, after; p >= 0; p = after) {
        after = hull->next[p];
        for (int32_t f = first; f < hull->count; f++) {
            Face *face = hull->faces + f;
            int64_t above = height(face, hull->points + p);
            if (above <= 0)
                continue;
            hull->next[p] = face->outside;
            face->outside = p;
            if (above > face->height) {
                face->height = above;
                face->farthest = p;
            }
            break;
        }
    }
}

/* Replace all faces that see the farthest point of a face by a cone to it. */
static int raise_to_farthest(Hull *hull, int32_t start, int32_t **stack, size_t *room)
{
    int32_t p = hull->faces[start].farthest, first = hull->count, outside = -1;
    size_t depth = 0;
    (*stack)[depth++] = start;
    hull->faces[start].seen = p;
    while (depth) {
        int32_t f = (*stack)[--depth];
        hull->faces[f].alive = 0;
        for (int32_t q = hull->faces[f].outside, after; q >= 0; q = after) {
            after = hull->next[q];
            if (q != p) {
                hull->next[q] = outside;
                outside = q;
            }
        }
        for (int i = 0; i < 3; i++) {
            int32_t g = hull->faces[f].beyond[i];
            if (hull->faces[g].seen == p)
                continue;
            if (height(hull->faces + g, hull->points + p) > 0) {
                hull->faces[g].seen = p;
                if (depth + 1 > *room) {
                    int32_t *wider = realloc(*stack, 2 * *room * sizeof *wider);
                    if (!wider)
                        return -1;
                    *stack = wider;
                    *room *= 2;
                }
                (*stack)[depth++] = g;
                continue;
            }
            int32_t a = hull->faces[f].corner[i], b = hull->faces[f].corner[(i + 1) % 3];
            int32_t made = add_face(hull, a, b, p);
            if (made < 0)
                return -1;
            hull->faces[made].beyond[0] = g;
            for (int j = 0; j < 3; j++)
                if (hull->faces[g].corner[j] == b)
                    hull->faces[g].beyond[j] = made;
            hull->begins[a] = made;
        }
    }
    for (int32_t f = first; f < hull->count; f++) {
        int32_t follower = hull->begins[hull->faces[f].corner[1]];
        hull->faces[f].beyond[1] = follower;
        hull->faces[follower].beyond[2] = f;
    }
    share_out(hull, outside, first);
    return 0;
}

/* The first four points span a tetrahedron. */
static int quickhull(Hull *hull, int32_t count)
{
    static const int32_t corners[4][3] = {{0, 1, 2}, {0, 3, 1}, {1, 3, 2}, {2, 3, 0}};
    static const int32_t beyond[4][3] = {{1, 2, 3}, {3, 2, 0}, {1, 3, 0}, {2, 1, 0}};
    size_t room = 1024;
    int32_t *stack = malloc(room * sizeof *stack);
    int failed = !stack || add_face(hull, 0, 1, 2) < 0;
    int turned = !failed && height(hull->faces, hull->points + 3) > 0;
    hull->count = 0;
    for (int f = 0; f < 4 && !failed; f++) {
        const int32_t *c = corners[f];
        /* turned round: edges i -> i + 1 of the triangle (b, a, c) are the edges 0, 2, 1 of (a, b, c) backwards */
        failed = (turned ? add_face(hull, c[1], c[0], c[2]) : add_face(hull, c[0], c[1], c[2])) < 0;
        for (int i = 0; i < 3 && !failed; i++)
            hull->faces[f].beyond[i] = beyond[f][turned && i ? 3 - i : i];
    }
    if (!failed) {
        for (int32_t p = 4; p < count; p++)
            hull->next[p] = p + 1 < count ? p + 1 : -1;
        share_out(hull, count > 4 ? 4 : -1, 0);
    }
    for (int32_t f = 0; f < hull->count && !failed; f++)
        if (hull->faces[f].alive && hull->faces[f].outside >= 0)
            failed = raise_to_farthest(hull, f, &stack, &room);
    free(stack);
    return failed ? -1 : 0;
}

/* Sort points, by plane along one axis already, by plane along another and within it by the first: counted into
   buckets, in which only points of one pair of planes may be the wrong way round. `begins` has room for all planes + 1. */
static void sort_by_plane(const Point *points, ptrdiff_t count, int axis, int before, int last, ptrdiff_t planes,
                          ptrdiff_t *begins, Point *sorted)
{
    memset(begins, 0, (size_t)(planes + 1) * sizeof *begins);
    for (ptrdiff_t p = 0; p < count; p++)
        begins[points[p].at[axis] + 1]++;
    for (ptrdiff_t plane = 0; plane < planes; plane++)
        begins[plane + 1] += begins[plane];
    for (ptrdiff_t p = 0; p < count; p++)
        sorted[begins[points[p].at[axis]]++] = points[p];
    for (ptrdiff_t p = 1; p < count; p++)
        for (Point *q = sorted + p; q > sorted && q[-1].at[axis] == q->at[axis] && q[-1].at[before] == q->at[before] &&
                                    q[-1].at[last] > q->at[last];
             q--) {
            Point point = *q;
            *q = q[-1];
            q[-1] = point;
        }
}

static int64_t turn(const Point *o, const Point *p, const Point *q, int u, int v)
{
    return (int64_t)(p->at[u] - o->at[u]) * (q->at[v] - o->at[v]) - (int64_t)(p->at[v] - o->at[v]) * (q->at[u] - o->at[u]);
}

/* Keep, of points sorted by plane and within it by u and v, the corners of each plane's own convex hull (a corner of
   the whole hull is one of them). `kept` has room for all. Returns how many are kept. */
static ptrdiff_t corners_by_plane(const Point *points, ptrdiff_t count, int plane, int u, int v, Point *kept)
{
    ptrdiff_t total = 0;
    for (ptrdiff_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && points[to].at[plane] == points[from].at[plane]; to++)
            ;
        Point *chain = kept + total;
        ptrdiff_t size = 0;
        for (int side = 0; side < 2; side++) {
            ptrdiff_t base = size ? size - 1 : 0, last = side ? from : to - 1;
            for (ptrdiff_t i = side ? to - 1 : from;; i += side ? -1 : 1) {
                while (size >= base + 2 && turn(chain + size - 2, chain + size - 1, points + i, u, v) <= 0)
                    size--;
                if (!side || i != to - 1)
                    chain[size++] = points[i];
                if (i == last)
                    break;
            }
        }
        total += size > 1 ? size - 1 : size; /* the first point closes the ring */
    }
    return total;
}

/* The first and last voxel of every row, in order. */
static ptrdiff_t row_ends(const uint8_t *mask, Box box, Point *points)
{
    ptrdiff_t count = 0;
    for (ptrdiff_t z = 0; z < box.nz; z++)
        for (ptrdiff_t y = 0; y < box.ny; y++, mask += box.nx) {
            ptrdiff_t a = 0, b = box.nx - 1;
            while (a <= b && !mask[a])
                a++;
            if (a > b)
                continue;
            while (!mask[b])
                b--;
            points[count++] = (Point){{(int32_t)z, (int32_t)y, (int32_t)a}};
            if (b > a)
                points[count++] = (Point){{(int32_t)z, (int32_t)y, (int32_t)b}};
        }
    return count;
}

/* The corners of the living faces, each once, and the triangles that they make. */
static int emit(Hull *made, Polyhedron *found)
{
    int32_t *number = made->begins; /* of a corner, from 1 */
    found->corners = malloc((size_t)made->count * 9 * sizeof *found->corners);
    found->triangles = malloc((size_t)made->count * 3 * sizeof *found->triangles);
    if (!found->corners || !found->triangles)
        return -1;
    for (int32_t f = 0; f < made->count; f++)
        for (int i = 0; i < 3; i++)
            number[made->faces[f].corner[i]] = 0;
    for (int32_t f = 0; f < made->count; f++) {
        for (int i = 0; i < 3 && made->faces[f].alive; i++) {
            int32_t corner = made->faces[f].corner[i];
            if (!number[corner]) {
                memcpy(found->corners + 3 * found->corner_count++, made->points[corner].at, sizeof made->points->at);
                number[corner] = (int32_t)found->corner_count;
            }
            found->triangles[3 * found->triangle_count + i] = number[corner] - 1;
        }
        found->triangle_count += made->faces[f].alive;
    }
    return 0;
}

int hull(const uint8_t *mask, Box box, Polyhedron *found)
{
    ptrdiff_t rows = box.nz * box.ny, count;
    int failed = -1;
    /* a ring is closed by a point that is then dropped: room for one more per plane */
    Point *points = malloc((size_t)(2 * rows + 1) * sizeof *points), *kept = malloc((size_t)(4 * rows + 2) * sizeof *kept);
    Point *tips = NULL;
    ptrdiff_t *begins = malloc((size_t)((box.ny > box.nx ? box.ny : box.nx) + 1) * sizeof *begins);
    Hull made = {0};
    *found = (Polyhedron){0};
    if (points && kept && begins) {
        count = row_ends(mask, box, points);
        count = corners_by_plane(points, count, 0, 1, 2, kept);
        sort_by_plane(kept, count, 1, 0, 2, box.ny, begins, points);
        count = corners_by_plane(points, count, 1, 0, 2, kept);
        sort_by_plane(kept, count, 2, 1, 0, box.nx, begins, points);
        count = corners_by_plane(points, count, 2, 1, 0, kept);
        tips = malloc((size_t)(6 * count) * sizeof *tips);
        made.next = malloc((size_t)(6 * count) * sizeof *made.next);
        made.begins = malloc((size_t)(6 * count) * sizeof *made.begins);
    }
    if (tips && made.next && made.begins) {
        /* half steps: z - 1, z + 1, y - 1, x - 1 of the first voxel span a tetrahedron */
        static const int order[6][2] = {{0, -1}, {0, 1}, {1, -1}, {2, -1}, {1, 1}, {2, 1}};
        for (ptrdiff_t i = 0; i < count; i++)
            for (int t = 0; t < 6; t++) {
                Point *tip = tips + 6 * i + t;
                for (int a = 0; a < 3; a++)
                    tip->at[a] = 2 * kept[i].at[a] + (a == order[t][0] ? order[t][1] : 0);
            }
        made.points = tips;
        failed = quickhull(&made, (int32_t)(6 * count)) || emit(&made, found);
    }
    free(points), free(kept), free(tips), free(begins), free(made.next), free(made.begins), free(made.faces);
    return failed ? -1 : 0;
}
