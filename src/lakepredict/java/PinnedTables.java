package org.lakepredict;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.sql.catalyst.catalog.CatalogTable;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.plans.logical.LeafNode;
import org.apache.spark.sql.catalyst.plans.logical.LocalRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.OneRowRelation;
import org.apache.spark.sql.catalyst.plans.logical.Range;
import org.apache.spark.sql.catalyst.trees.TreePattern;
import org.apache.spark.sql.delta.SnapshotDescriptor;
import org.apache.spark.sql.delta.files.TahoeLogFileIndex;
import org.apache.spark.sql.execution.datasources.FileIndex;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import scala.Function1;
import scala.Product;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractPartialFunction;

/**
 * Holds each Delta table of an analysed plan, in views and subqueries too, at the version that it has now, as if the
 * query had said VERSION AS OF. Without that Delta reads the version that is the newest when the plan runs.
 *
 * <p>{@code tables} has name, id and version of each; {@code others} is what has no version: other tables, and
 * expressions whose value depends on the moment.
 */
public final class PinnedTables extends AbstractPartialFunction {

  public final List tables = new ArrayList();
  public final List others = new ArrayList();

  public LogicalPlan pinned(LogicalPlan plan) {
    return (LogicalPlan) plan.transformWithSubqueries(this);
  }

  public boolean isDefinedAt(Object node) {
    return true;
  }

  public Object applyOrElse(Object node, Function1 otherwise) {
    LogicalPlan plan = (LogicalPlan) node;
    for (Iterator each = CollectionConverters.asJava(plan.expressions()).iterator(); each.hasNext(); ) {
      Expression expression = (Expression) each.next();
      if (expression.containsPattern(TreePattern.CURRENT_LIKE()) || !expression.deterministic()) {
        others.add(expression.sql());
      }
    }
    if (!(node instanceof LogicalRelation)) {
      boolean constant = node instanceof OneRowRelation || node instanceof LocalRelation || node instanceof Range;
      if (node instanceof LeafNode && !constant) {
        others.add(plan.nodeName());
      }
      return node;
    }
    LogicalRelation found = (LogicalRelation) node;
    HadoopFsRelation files = found.relation() instanceof HadoopFsRelation ? (HadoopFsRelation) found.relation() : null;
    if (files == null || !(files.location() instanceof TahoeLogFileIndex)) {
      others.add(name(found, "a table"));
      return node;
    }
    TahoeLogFileIndex index = (TahoeLogFileIndex) files.location();
    tables.add(new String[] {
      name(found, index.path().toString()),
      index.getSnapshot().metadata().id(),
      Long.toString(index.getSnapshot().version())
    });
    Object[] parts = parts(found);
    parts[0] = new HadoopFsRelation(
        (FileIndex) fixed(index),
        files.partitionSchema(),
        files.dataSchema(),
        files.bucketSpec(),
        files.fileFormat(),
        files.options(),
        files.sparkSession());
    return found.makeCopy(parts);
  }

  private static String name(LogicalRelation relation, String otherwise) {
    return relation.catalogTable().isEmpty()
        ? otherwise
        : ((CatalogTable) relation.catalogTable().get()).identifier().unquotedString();
  }

  // Of the parts of the index, the one truth value says whether it is a time travel, which wants a whole snapshot.
  private static Object fixed(TahoeLogFileIndex index) {
    Object[] parts = parts(index);
    for (int i = 0; i < parts.length; i++) {
      if (parts[i] instanceof Boolean) {
        parts[i] = Boolean.TRUE;
      } else if (parts[i] instanceof SnapshotDescriptor) {
        parts[i] = index.getSnapshot();
      }
    }
    Method[] methods = TahoeLogFileIndex.class.getMethods();
    for (int i = 0; i < methods.length; i++) {
      if (methods[i].getName().equals("copy")) {
        try {
          return methods[i].invoke(index, parts);
        } catch (IllegalAccessException exc) {
          throw new IllegalStateException(exc);
        } catch (InvocationTargetException exc) {
          throw new IllegalStateException(exc.getCause());
        }
      }
    }
    throw new IllegalStateException("this Delta Lake has another TahoeLogFileIndex");
  }

  private static Object[] parts(Product product) {
    Object[] parts = new Object[product.productArity()];
    for (int i = 0; i < parts.length; i++) {
      parts[i] = product.productElement(i);
    }
    return parts;
  }
}
