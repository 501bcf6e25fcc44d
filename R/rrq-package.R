#' @keywords internal
#' @importFrom methods new
#' @importFrom R6 R6Class
#' @importFrom rlang caller_env "%||%"
"_PACKAGE"

# The only mutable environment of the package.
the <- new.env(parent = emptyenv())
the$controller <- NULL
the$started <- NULL
the$server <- NULL
the$servers <- list()
the$workers <- list()
the$supervised <- -Inf
the$task <- NULL
the$is_worker_process <- FALSE
the$worker <- NULL
the$functions <- new.env(parent = emptyenv())
