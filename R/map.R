#' Map functions of purrr on workers
#'
#' `rrq_map()`, `rrq_map2()` and `rrq_pmap()` are `map()`, `map2()` and `pmap()` of purrr with the
#' work done by the queue's workers, in chunks as by [rrq_lapply()]. purrr need not be installed.
#' The other functions return a vector or a data frame, as theirs do.
#'
#' They differ from purrr in this: `.f` must be a function or a formula, since extracting elements
#' by name or position needs no workers; `_chr` converts nothing to text; and an error ends the call
#' with the class of the original error, and names the element, not with `purrr_error_indexed`.
#'
#' For further settings, such as `relay`, `cancel` and `globals`, use [rrq_lapply()] and
#' [rrq_mapply()].
#'
#' @param .x,.y Vectors or lists. `.x` and `.y` must have the same length, except that one of length
#'   1 is recycled.
#' @param .l A list of vectors, or a data frame: its names are those of the arguments of `.f`.
#' @param .f A function, a lambda such as `\(x) x + 1`, or a formula such as `~ .x + 1`, with `.x`
#'   and `.y`, or `..1`, `..2` and so on, as its arguments.
#' @param ... Further arguments of `.f`, the same for each element. Write `.f` as a lambda to have
#'   them where they are used.
#' @param .id Of the functions that return a data frame: the name of a column for the names of the
#'   elements, or for their positions if there are no names. `NULL` adds none.
#' @param .progress Whether to show a progress bar, as `progress` of [rrq_task_wait()]. A string, as
#'   for purrr, is taken as `TRUE`.
#' @param .chunk_size How many elements go into a task; `NULL` finds out, see [rrq_lapply()].
#' @param .timeout Seconds to wait for all elements together; `NULL` is the controller's setting.
#' @param .options Options made by [rrq_task_options()], such as `seed` and `queue`, or `NULL`.
#' @param .controller An [rrq_controller()]; `NULL` is the default one.
#' @return `rrq_map()`, `rrq_map2()`, `rrq_pmap()`: a list with the names of `.x` or of the first
#'   vector in `.l`. With the ending `_lgl`, `_int`, `_dbl` or `_chr`, a vector of that
#'   type, for which each value must be one such element, or can be converted to it without loss:
#'   `TRUE` to 1, 1 to `1L`. With `_dfr`: a data frame with the rows of all values, by the package
#'   vctrs; columns that some lack are `NA` there.
#' @section Errors: `rrq_error_map_type` names the first element whose value does not fit;
#'   `rrq_error_vctrs_missing` if vctrs is not installed. Others as in [rrq_lapply()].
#' @seealso [rrq_lapply()]. furrr runs on rrq, too, see `vignette("ecosystem")`.
#' @export
#' @examplesIf rrq:::can_run_examples()
#' server <- rrq_server()
#' r <- rrq_controller("jobs", server$url)
#' w <- rrq_worker_spawn(2, controller = r)
#' rrq_map(c(a = 1, b = 2), \(x) x + 1, .controller = r)
#' rrq_map_dbl(mtcars, mean, .controller = r)
#' rrq_map2_chr(c("a", "b"), 1:2, ~ paste(.x, .y), .controller = r)
#' rrq_pmap_dbl(expand.grid(n = c(10, 100), sd = 1:2), \(n, sd) sd / sqrt(n), .controller = r)
#' rrq_destroy(controller = r)
#' server$stop()
rrq_map <- new_map("map", "list")

#' @rdname rrq_map
#' @export
rrq_map_lgl <- new_map("map", "lgl")

#' @rdname rrq_map
#' @export
rrq_map_int <- new_map("map", "int")

#' @rdname rrq_map
#' @export
rrq_map_dbl <- new_map("map", "dbl")

#' @rdname rrq_map
#' @export
rrq_map_chr <- new_map("map", "chr")

#' @rdname rrq_map
#' @export
rrq_map_dfr <- new_map("map", "dfr")

#' @rdname rrq_map
#' @export
rrq_map2 <- new_map("map2", "list")

#' @rdname rrq_map
#' @export
rrq_map2_lgl <- new_map("map2", "lgl")

#' @rdname rrq_map
#' @export
rrq_map2_int <- new_map("map2", "int")

#' @rdname rrq_map
#' @export
rrq_map2_dbl <- new_map("map2", "dbl")

#' @rdname rrq_map
#' @export
rrq_map2_chr <- new_map("map2", "chr")

#' @rdname rrq_map
#' @export
rrq_map2_dfr <- new_map("map2", "dfr")

#' @rdname rrq_map
#' @export
rrq_pmap <- new_map("pmap", "list")

#' @rdname rrq_map
#' @export
rrq_pmap_lgl <- new_map("pmap", "lgl")

#' @rdname rrq_map
#' @export
rrq_pmap_int <- new_map("pmap", "int")

#' @rdname rrq_map
#' @export
rrq_pmap_dbl <- new_map("pmap", "dbl")

#' @rdname rrq_map
#' @export
rrq_pmap_chr <- new_map("pmap", "chr")

#' @rdname rrq_map
#' @export
rrq_pmap_dfr <- new_map("pmap", "dfr")
